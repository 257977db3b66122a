-- What a process knows and Redis may have lost: the leases of what it runs, and what buckets owed when it last heard of
-- them. Also how leases are renewed.
--
-- KEYS: the buckets, the sets of leases.
-- ARGV: the time, or ''; the leases' life in microseconds; how many buckets; for each bucket what it owes at least, in
--   nanoseconds; for each set how many leases, and those.

local now = clock(ARGV[1])
local life_us, buckets = tonumber(ARGV[2]), tonumber(ARGV[3])

for i = 1, buckets do
    local ns = tonumber(ARGV[3 + i])
    if owed(redis.call('GET', KEYS[i]), now) < ns then
        keep(KEYS[i], now, ns)
    end
end
local next = 4 + buckets
for i = 1 + buckets, #KEYS do
    local leases = tonumber(ARGV[next])
    for j = next + 1, next + leases do
        redis.call('ZADD', KEYS[i], now + life_us, ARGV[j])
    end
    redis.call('PEXPIRE', KEYS[i], math.ceil(life_us / 1000) + SPARE_MS)
    next = next + 1 + leases
end
return #KEYS
