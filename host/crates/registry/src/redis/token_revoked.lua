-- Before a script that asks whether a token is revoked. A revocation is a ban that `ban.lua` keeps: `until`, when it ends, and in
-- `replaced` first when it was ordered. Tokens of a user are revoked that were issued before.
local function ordered(key, now)
  local kept = redis.call('HMGET', key, 'until', 'replaced')
  return kept[2] and tonumber(kept[1]) > now and cjson.decode(kept[2])[1]
end
-- `issued`: in ms, '': it does not say.
local function token_revoked(token, of_user, issued, now)
  local moment = ordered(of_user, now)
  return ordered(token, now) or moment and (issued == '' or tonumber(issued) < moment)
end
