-- All or nothing: a request that one row refuses takes from none.
--
-- KEYS: the buckets, then the sets of leases.
-- ARGV: the time, or '' for Redis' own; the lease, or '' to take nothing; its life in microseconds; how many buckets;
--   for each bucket what it is to give and what it holds, in nanoseconds; for each set how many may run.
-- Returns 1 or 0 for admitted or not, what each bucket owes now, how many leases each set has now.

local now = clock(ARGV[1])
local lease, life_us, buckets = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local admitted = lease ~= ''
local answer, written = {0}, {}

local found = buckets > 0 and redis.call('MGET', unpack(KEYS, 1, buckets)) or {}
for i = 1, buckets do
    local cost, holds = tonumber(ARGV[3 + 2 * i]), tonumber(ARGV[4 + 2 * i])
    answer[i + 1], written[i] = owed(found[i], now)
    admitted = admitted and answer[i + 1] + cost <= holds
end
for i = buckets + 1, #KEYS do
    answer[i + 1] = redis.call('ZCOUNT', KEYS[i], string.format('(%.0f', now), '+inf')
    admitted = admitted and answer[i + 1] < tonumber(ARGV[4 + buckets + i])
end

if admitted then
    answer[1] = 1
    for i = 1, buckets do
        answer[i + 1] = keep(KEYS[i], now, answer[i + 1] + tonumber(ARGV[3 + 2 * i]))
    end
    for i = buckets + 1, #KEYS do
        redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
        redis.call('ZADD', KEYS[i], now + life_us, lease)
        redis.call('PEXPIRE', KEYS[i], math.ceil(life_us / 1000) + SPARE_MS)
        answer[i + 1] = answer[i + 1] + 1
    end
else
    -- The clock went back: from here on what is owed has to drain by the new time.
    for i = 1, buckets do
        if written[i] > now then
            keep(KEYS[i], now, answer[i + 1])
        end
    end
end
return answer
