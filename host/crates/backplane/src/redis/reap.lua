-- The sessions of an instance that is no more leave. Whoever comes second finds none of them.
-- KEYS  1 members   ARGV  1 instance  2 channel  3 '1': tell it  4 PUBLISH or SPUBLISH
local members = redis.call('HGETALL', KEYS[1])
local reaped = 0
local mark = ARGV[1] .. '\n'
-- One version for all: nobody reads the members between them.
local version = next_version()
for place = 1, #members, 2 do
  local session, member = members[place], members[place + 1]
  if string.sub(member, 1, #mark) == mark then
    redis.call('HDEL', KEYS[1], session)
    reaped = reaped + 1
    if ARGV[3] == '1' then
      redis.call(ARGV[4], ARGV[2], 'L' .. version .. ' ' .. session .. '\n' .. string.sub(member, #mark + 1))
    end
  end
end
if reaped > 0 then
  left(version)
end
return reaped
