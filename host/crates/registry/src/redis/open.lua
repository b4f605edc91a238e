-- Claims to open a session with something, unless that was done.
-- KEYS  1 what was opened with it  2 the tenant's claims, by their ends
-- ARGV  1 its hash  2 the instance and the session that claim it  3 for how long that is remembered, in ms  4 claims of the tenant
--       at most  5 what names of claims begin with
-- Gives the instance and the session that claimed it before, or nothing.
local theirs = redis.call('GET', KEYS[1])
if theirs then
  return theirs
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '+inf', 'LIMIT', 0, 1)[1]
  redis.call('ZREM', KEYS[2], oldest)
  redis.call('DEL', ARGV[5] .. oldest)
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[3])), ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return false
