-- Accepts messages: each at most once per key, with its place in its history, for everyone who listens.
--
-- KEYS  three a message: 1 place  2 stream  3 what was published under the client's key; then, not in a Cluster, what
--       unused channels tell
-- ARGV  1 the server's run  2 an epoch nobody had  3 PUBLISH or SPUBLISH  4 now in ms  5 replicas that are waited for,
--       then six a message:
--       1 channel  2 message  3 its id  4 size of the history, 0: none  5 time of it in ms  6 how long the key is
--       remembered in ms, 0: no key
-- Gives for each '0' and its place, for a key that was seen '1' with the first one's id and place, or '!' and why
-- it was not done. A place is 'epoch offset', or '' without history.
local KEYS, ARGV = KEYS, ARGV
local run, fresh, publish, now, replicas = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local messages = math.floor(#KEYS / 3)
-- What this call has seen to already: the epoch of a channel, by its place.
local epochs = {}

local function epoch_of(standing, stream)
  local known = redis.call('HMGET', standing, 'epoch', 'run')
  if not known[1] then
    -- First what a full server refuses: once a call has written, the server lets everything pass.
    redis.call('HSET', standing, 'epoch', fresh, 'run', run, 'offset', 0)
    redis.call('DEL', stream)
    goes_on_from(standing, epoch_of_unused(KEYS[3 * messages + 1], run))
    return fresh
  end
  if known[2] == run then
    return known[1]
  end
  -- Another server, or this one started again: it may lack what the last one had accepted at the end. The
  -- epoch begins anew, so that no offset ever names two messages, and says from where it goes on.
  local old = redis.call('HMGET', standing, 'offset', 'before')
  local before = known[1] .. ' ' .. old[1] .. '\n' .. string.sub(old[2] or '', 1, 500)
  redis.call('HSET', standing, 'epoch', fresh, 'run', run, 'before', before)
  return fresh
end

local function accept(key, arg)
  local standing, stream = KEYS[key], KEYS[key + 1]
  local message, size, window = ARGV[arg + 1], ARGV[arg + 3], ARGV[arg + 5]
  if window ~= '0' then
    local first = redis.call('GET', KEYS[key + 2])
    if first then
      local left = replicas ~= '0' and redis.call('PTTL', KEYS[key + 2]) or 0
      if left > 0 then
        -- Writes what is there, so that who waits for replicas waits for the first one too.
        redis.call('PEXPIRE', KEYS[key + 2], left)
      end
      return '1' .. first
    end
  end
  local place = ''
  if size ~= '0' then
    local epoch = epochs[standing] or epoch_of(standing, stream)
    -- As text: Lua by itself writes a number as large as 1e14 with an exponent.
    local offset = string.format('%.0f', redis.call('HINCRBY', standing, 'offset', 1))
    redis.call('XADD', stream, 'MAXLEN', '~', size, offset .. '-' .. now, 'm', message)
    if not epochs[standing] then
      redis.call('PEXPIRE', stream, ARGV[arg + 4])
      redis.call('PEXPIRE', standing, ARGV[arg + 4] + 120000)
      epochs[standing] = epoch
    end
    place = epoch .. ' ' .. offset
  end
  if window ~= '0' then
    redis.call('SET', KEYS[key + 2], ARGV[arg + 2] .. ' ' .. place, 'PX', window)
  end
  redis.call(publish, ARGV[arg], 'M' .. place .. '\n' .. message)
  return '0' .. place
end

local answers = {}
for n = 1, messages do
  -- Messages of one call belong to many: what one of them meets is no trouble of the others.
  local done, answer = pcall(accept, 3 * n - 2, 6 * n)
  if not done then
    local why = type(answer) == 'table' and answer.err or tostring(answer)
    if string.find(why, 'READONLY', 1, true) then
      -- No message could be written here: whoever asked has to look for the master.
      return redis.error_reply('READONLY this is a replica')
    end
    answer = '!' .. why
  end
  answers[n] = answer
end
return answers
