-- Begins the scripts that change what is pushed.
-- KEYS  1 state  2 tenants  3 changes  4 tombstones  5 claims
-- State: revision counts the changes; version, the highest that was given; present and bytes, of tenants that are not
-- deleted; forgotten_revision and forgotten_version, the highest of tombstones that were forgotten.
-- An entry among the tenants is its version, and unless it was deleted a line with its claims and then its file.
local function number(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or 0)
end

-- The version, the claims and the bytes of the file of an entry; of a tombstone the version alone.
local function parts(entry)
  if not entry then
    return nil
  end
  local version_end = string.find(entry, '\n', 1, true)
  if not version_end then
    return entry
  end
  local claims_end = string.find(entry, '\n', version_end + 1, true)
  local claims = string.sub(entry, version_end + 1, claims_end - 1)
  return string.sub(entry, 1, version_end - 1), claims, #entry - claims_end
end

local function forget_tombstone()
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local version = tonumber(redis.call('HGET', KEYS[2], oldest[1]) or 0)
  redis.call('HDEL', KEYS[2], oldest[1])
  redis.call('ZREM', KEYS[3], oldest[1])
  redis.call('ZREM', KEYS[4], oldest[1])
  redis.call('HSET', KEYS[1], 'forgotten_revision', oldest[2],
    'forgotten_version', string.format('%.0f', math.max(version, number('forgotten_version'))))
end

-- Puts an entry in place of what is there. Where Redis has no memory left it refuses the first write that takes some,
-- and none after: so a deletion begins with one that gives some back, and either all is done or nothing.
local function put(name, entry, tombstones)
  local _, had_claims, had_bytes = parts(redis.call('HGET', KEYS[2], name))
  local version, claims, bytes = parts(entry)
  if not bytes then
    redis.call('HDEL', KEYS[2], name)
  end
  redis.call('HSET', KEYS[2], name, entry)
  for claim in string.gmatch(had_claims or '', '%S+') do
    if redis.call('HGET', KEYS[5], claim) == name then
      redis.call('HDEL', KEYS[5], claim)
    end
  end
  for claim in string.gmatch(claims or '', '%S+') do
    redis.call('HSET', KEYS[5], claim, name)
  end
  local revision = redis.call('HINCRBY', KEYS[1], 'revision', 1)
  redis.call('HINCRBY', KEYS[1], 'present', (bytes and 1 or 0) - (had_bytes and 1 or 0))
  redis.call('HINCRBY', KEYS[1], 'bytes', (bytes or 0) - (had_bytes or 0))
  redis.call('HSET', KEYS[1], 'version', string.format('%.0f', math.max(tonumber(version), number('version'))))
  redis.call('ZADD', KEYS[3], revision, name)
  if bytes then
    redis.call('ZREM', KEYS[4], name)
  else
    redis.call('ZADD', KEYS[4], revision, name)
    if redis.call('ZCARD', KEYS[4]) > tombstones then
      forget_tombstone()
    end
  end
end
