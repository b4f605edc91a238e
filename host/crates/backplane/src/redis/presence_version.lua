-- Begins the scripts that change who is present in a topic: each change has a version above those of all before it.
--
-- KEYS  1 members
-- The newest stands among the members under '', which is no session, and goes with the last of them. What comes after
-- that is above it all the same, because versions are times.
local function next_version()
  local time = redis.call('TIME')
  local last = redis.call('HGET', KEYS[1], '') or 0
  return string.format('%.0f', math.max(last + 1, time[1] * 1000000 + time[2]))
end

-- Remembers a version after somebody left.
local function left(version)
  if redis.call('HLEN', KEYS[1]) > 1 then
    redis.call('HSET', KEYS[1], '', version)
  else
    redis.call('DEL', KEYS[1])
  end
end
