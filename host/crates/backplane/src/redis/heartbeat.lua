-- An instance lives, if it has the number of partitions that the prefix has. Gives that number ('': none is set), and
-- if it is the instance's, whether the instance was known, and then those that are given up.
-- KEYS  1 instances  2 number of partitions
-- ARGV  1 instance  2 for how long its word is good, in ms  3 its number of partitions  4 '1': set it, if none is
local count = redis.call('GET', KEYS[2])
if not count then
  if ARGV[4] ~= '1' then
    return {''}
  end
  count = ARGV[3]
  redis.call('SET', KEYS[2], count)
end
if count ~= ARGV[3] then
  return {count}
end
-- Longer than any history.
redis.call('PEXPIRE', KEYS[2], 31622400000)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
-- Should all be gone for good, so is this.
redis.call('PEXPIRE', KEYS[1], 3600000)
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
table.insert(dead, 1, known and 1 or 0)
table.insert(dead, 1, count)
return dead
