-- The place of a session is good for longer, whatever became of it meanwhile: it is taken.
-- KEYS  1 the tenant's places  2 the user's  3 the connection  4 the revocation of its token  5 of its user's tokens
-- ARGV  1 the session's place  2 '1': the user has a name  3 for how long the place is good, in ms  4 for how long the connection
--       is, in ms  5 when the token was issued, in ms, '': it does not say  6… fields of the connection
-- Gives {}, or the revocation of its token, of which its node did not hear: {4 or 5, ms that are left, time, sequence,
-- instance of its order}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local good = now + tonumber(ARGV[3])
redis.call('ZADD', KEYS[1], good, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[2] == '1' then
  redis.call('ZADD', KEYS[2], good, ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
redis.call('HSET', KEYS[3], unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[3], ARGV[4])
for number = 4, 5 do
  local kept = redis.call('HMGET', KEYS[number], 'until', 'replaced')
  if kept[2] and tonumber(kept[1]) > now then
    local order = cjson.decode(kept[2])
    if number == 4 or ARGV[5] == '' or tonumber(ARGV[5]) < order[1] then
      local text = function(value) return string.format('%.0f', value) end
      return {number, tonumber(kept[1]) - now, text(order[1]), text(order[2]), order[3]}
    end
  end
end
return {}
