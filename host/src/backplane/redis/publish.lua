-- Accepts one message: at most once per key, with its place in the history, for everyone who listens.
--
-- KEYS  1 place  2 stream  3 what was published under the client's key
-- ARGV  1 channel  2 message  3 its id  4 the server's run  5 an epoch nobody had  6 size of the history, 0: none
--       7 time of it in ms  8 how long the key is remembered in ms, 0: no key  9 PUBLISH or SPUBLISH  10 now in ms
-- Gives {0, place} or, for a key that was seen, {1, id and place}. A place is 'epoch offset', or '' without history.
if ARGV[8] ~= '0' then
  local first = redis.call('GET', KEYS[3])
  if first then
    return {1, first}
  end
end
local place = ''
if ARGV[6] ~= '0' then
  local known = redis.call('HMGET', KEYS[1], 'epoch', 'run')
  local epoch = known[1]
  if not epoch then
    epoch = ARGV[5]
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', ARGV[4], 'offset', 0)
  elseif known[2] ~= ARGV[4] then
    -- Another server, or this one started again: it may lack what the last one had accepted at the end. The
    -- epoch begins anew, so that no offset ever names two messages, and says from where it goes on.
    local old = redis.call('HMGET', KEYS[1], 'offset', 'before')
    local before = epoch .. ' ' .. old[1] .. '\n' .. string.sub(old[2] or '', 1, 500)
    epoch = ARGV[5]
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', ARGV[4], 'before', before)
  end
  local offset = redis.call('HINCRBY', KEYS[1], 'offset', 1)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], offset .. '-' .. ARGV[10], 'm', ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[7])
  redis.call('PEXPIRE', KEYS[1], ARGV[7] + 120000)
  place = epoch .. ' ' .. offset
end
redis.call(ARGV[9], ARGV[1], 'M' .. place .. '\n' .. ARGV[2])
if ARGV[8] ~= '0' then
  redis.call('SET', KEYS[3], ARGV[3] .. ' ' .. place, 'PX', ARGV[8])
end
return {0, place}
