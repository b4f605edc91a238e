-- A session is present no longer.
-- KEYS  1 members   ARGV  1 session  2 channel  3 '1': tell it  4 PUBLISH or SPUBLISH
local member = redis.call('HGET', KEYS[1], ARGV[1])
if not member then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[3] == '1' then
  redis.call(ARGV[4], ARGV[2], 'L' .. ARGV[1] .. '\n' .. string.match(member, '\n(.*)$'))
end
return 1
