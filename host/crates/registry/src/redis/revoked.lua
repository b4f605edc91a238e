-- Whether a token is revoked: 1, or 0.
-- KEYS  1 the revocation of the token  2 of its user's tokens   ARGV  1 when it was issued
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return token_revoked(KEYS[1], KEYS[2], ARGV[1], now) and 1 or 0
