-- What many requests used after all, and their leases back.
--
-- A settlement whose answer was lost is sent again. It has a number that grows with each settlement of its process, so
-- that it counts once.
--
-- KEYS: the process's mark, the buckets, the sets of leases.
-- ARGV: the time, or ''; the number; the mark's life in milliseconds; how many buckets; for each bucket what it gets
--   (less than zero: gets back) in nanoseconds; for each set how many leases, and those.
-- Returns 1, or 0 when this was done before.

local now = clock(ARGV[1])
local number, mark_ms, buckets = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

if number <= tonumber(redis.call('GET', KEYS[1]) or '0') then
    return 0
end
redis.call('SET', KEYS[1], number, 'PX', mark_ms)

for i = 1, buckets do
    local key = KEYS[1 + i]
    keep(key, now, owed(redis.call('GET', key), now) + tonumber(ARGV[4 + i]))
end
local next = 5 + buckets
for i = 2 + buckets, #KEYS do
    local leases = tonumber(ARGV[next])
    redis.call('ZREM', KEYS[i], unpack(ARGV, next + 1, next + leases))
    next = next + 1 + leases
end
return 1
