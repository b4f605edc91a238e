-- A session is present no longer.
-- KEYS  1 members   ARGV  1 session  2 channel  3 '1': tell it  4 PUBLISH or SPUBLISH
local member = redis.call('HGET', KEYS[1], ARGV[1])
if not member then
  return 0
end
local version = next_version()
redis.call('HDEL', KEYS[1], ARGV[1])
left(version)
if ARGV[3] == '1' then
  redis.call(ARGV[4], ARGV[2], 'L' .. version .. ' ' .. ARGV[1] .. '\n' .. string.match(member, '\n(.*)$'))
end
return 1
