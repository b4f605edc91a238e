-- The place of a session is good for longer, whatever became of it meanwhile: it is taken.
-- KEYS  1 the tenant's places  2 the user's  3 the connection
-- ARGV  1 the session's place  2 '1': the user has a name  3 for how long the place is good, in ms  4 for how long the connection
--       is, in ms  5… fields of the connection
local time = redis.call('TIME')
local good = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3])
redis.call('ZADD', KEYS[1], good, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[2] == '1' then
  redis.call('ZADD', KEYS[2], good, ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
redis.call('HSET', KEYS[3], unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 0
