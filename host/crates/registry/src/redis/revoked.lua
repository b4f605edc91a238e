-- Whether a token is revoked: 1, or 0.
-- KEYS  1 the revocation of the token  2 of its user's tokens
-- ARGV  1 when it was issued, in ms, '': it does not say
-- A revocation is a ban that `ban.lua` keeps: `until`, when it ends, and in `replaced` first when it was ordered. Tokens of a
-- user are revoked that were issued before.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function revoked(key)
  local kept = redis.call('HMGET', key, 'until', 'replaced')
  return kept[2] and tonumber(kept[1]) > now and cjson.decode(kept[2])[1]
end
local moment = revoked(KEYS[2])
if revoked(KEYS[1]) or moment and (ARGV[1] == '' or tonumber(ARGV[1]) < moment) then
  return 1
end
return 0
