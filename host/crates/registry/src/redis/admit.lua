-- Takes a place for one session among its tenant's and its user's, if there is one, and the session is neither banned nor its
-- token revoked.
-- KEYS  1 the tenant's places  2 the user's  3 the ban of its user or of its address  4 the connection  5 the revocation of
--       its token  6 of its user's tokens
-- ARGV  1 the session's place  2 places of the tenant at most  3 of the user at most, 0: it has no name  4 for how long a place is
--       good, in ms  5 for how long the connection is, in ms  6 when the token was issued, in ms, '': it does not say
--       7… fields of the connection
-- Gives {0}, {1}: the tenant is full, {2}: the user is, {3, ms}: banned for so long, {4}: the token is revoked.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local good = now + tonumber(ARGV[4])
local function full(key, most)
  -- Places of nodes that went away are free.
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  return redis.call('ZCARD', key) >= tonumber(most) and not redis.call('ZSCORE', key, ARGV[1])
end
local banned_until = tonumber(redis.call('HGET', KEYS[3], 'until') or 0)
if banned_until > now then
  return {3, banned_until - now}
end
if token_revoked(KEYS[5], KEYS[6], ARGV[6], now) then
  return {4}
end
if full(KEYS[1], ARGV[2]) then
  return {1}
end
if ARGV[3] ~= '0' then
  if full(KEYS[2], ARGV[3]) then
    return {2}
  end
  redis.call('ZADD', KEYS[2], good, ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
redis.call('ZADD', KEYS[1], good, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('HSET', KEYS[4], unpack(ARGV, 7))
redis.call('PEXPIRE', KEYS[4], ARGV[5])
return {0}
