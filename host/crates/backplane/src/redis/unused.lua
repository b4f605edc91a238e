-- What channels tell that nobody has used: one epoch for all of them, for a minute, in one key 'run epoch'. So whoever
-- reads leaves no key of a channel behind. A channel that is used within that minute goes on from it: no message can have
-- come and been forgotten in between, because a channel that was used is kept for two minutes at least.

-- The epoch that is told now, if one is; of another run of a server none is.
local function epoch_of_unused(key, run)
  local told = key and redis.call('GET', key)
  if told and string.sub(told, 1, #run + 1) == run .. ' ' then
    return string.sub(told, #run + 2)
  end
end

-- Tells it from now on; on a full server nobody does, and then nothing goes on from it.
local function tell_of_unused(key, run, epoch)
  if key then
    redis.pcall('SET', key, run .. ' ' .. epoch, 'PX', 60000)
  end
end

-- The first use of a channel.
local function goes_on_from(place, told)
  if told then
    redis.call('HSET', place, 'before', told .. ' 0\n')
    return told .. ' 0\n'
  end
  return false
end

