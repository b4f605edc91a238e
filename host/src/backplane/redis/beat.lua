-- An instance lives. Gives whether it was known, and then those that are given up.
-- KEYS  1 instances   ARGV  1 instance  2 for how long its word is good, in ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
-- Should all be gone for good, so is this.
redis.call('PEXPIRE', KEYS[1], 3600000)
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
table.insert(dead, 1, known and 1 or 0)
return dead
