-- Before each of the other scripts.
--
-- A bucket is the text "AT OWED": at AT, in microseconds of Redis' own clock, OWED nanoseconds of its rate were owed.
-- That drains by itself, a nanosecond in each; no key: nothing is owed. All numbers are whole and below 2^53, so that
-- Lua's doubles hold them exactly.

local MAX_OWED_NS = 4e15 -- 46 days
local SPARE_MS = 10000 -- a key outlives what it says a little

-- In microseconds. Tests give their own time.
local function clock(given)
    if given ~= '' then
        return tonumber(given)
    end
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

-- What a bucket owes now, and when it was written. When the clock has gone back since, all of it is owed still.
local function owed(bucket, now)
    if not bucket then
        return 0, now
    end
    local at, ns = string.match(bucket, '^(%d+) (%d+)$')
    at = tonumber(at)
    return math.max(0, ns - math.max(0, now - at) * 1000), at
end

local function keep(key, now, ns)
    if ns <= 0 then
        redis.call('DEL', key)
        return 0
    end
    ns = math.min(ns, MAX_OWED_NS)
    redis.call('SET', key, string.format('%.0f %.0f', now, ns), 'PX', math.ceil(ns / 1e6) + SPARE_MS)
    return ns
end
