-- What a process knows and Redis may have lost: the leases of what it runs, and what buckets owed when it last heard of
-- them. Also how leases are renewed.
--
-- KEYS: the buckets, or one set of leases.
-- ARGV: the time, or ''; the leases' life in microseconds; how many buckets; for each bucket what it owes at least, in
--   nanoseconds, or the leases.

local now = clock(ARGV[1])
local life_us, buckets = tonumber(ARGV[2]), tonumber(ARGV[3])

for i = 1, buckets do
    local ns = tonumber(ARGV[3 + i])
    if owed(redis.call('GET', KEYS[i]), now) < ns then
        keep(KEYS[i], now, ns)
    end
end
if buckets == 0 then
    for i = 4, #ARGV do
        redis.call('ZADD', KEYS[1], now + life_us, ARGV[i])
    end
    redis.call('PEXPIRE', KEYS[1], math.ceil(life_us / 1000) + SPARE_MS)
end
