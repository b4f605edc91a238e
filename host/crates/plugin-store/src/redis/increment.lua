-- Adds to a counter.   ARGV  2 what is added
-- Gives {sum} as text: numbers of Lua cannot count so far.
local known = redis.call('GET', KEYS[1])
if not known then
  -- One that is over before it began.
  if ARGV[3] == '0' or put(ARGV[2]) then
    return {ARGV[2]}
  end
  return {ok = 'FULL'}
end
if string.sub(known, 1, 1) == '=' then
  return {ok = 'NAN'}
end
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[2])
if type(sum) == 'table' then
  -- Past the end of its range, where it stops.
  local down = string.sub(ARGV[2], 1, 1) == '-'
  redis.call('SET', KEYS[1], down and '-9223372036854775808' or '9223372036854775807', 'KEEPTTL')
end
return {redis.call('GET', KEYS[1])}
