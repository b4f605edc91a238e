-- Changes one tenant, whole or not at all.
-- ARGV  1 name  2 'put' or 'delete'  3 file  4 claims  5 what is expected: 'any', 'absent', 'present' or 'one_of'
--       6 versions, one of which is expected  7 tenants at most  8 bytes of all files at most  9 tombstones at most
--       10 when it is too late, in µs by the server's clock: nobody waits for the answer any more
-- Gives {'done', version}, {'other', version or ''}, {'absent'}, {'claimed', claim, owner}, {'many'}, {'large'} or
-- {'late'}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now > tonumber(ARGV[10]) then
  return {'late'}
end
local name, is_put = ARGV[1], ARGV[2] == 'put'
local present, _, had_bytes = parts(redis.call('HGET', KEYS[2], name))
if not had_bytes then
  present = nil
end
local allowed = ARGV[5] == 'any' or (ARGV[5] == 'absent' and not present) or (ARGV[5] == 'present' and present)
if ARGV[5] == 'one_of' then
  for version in string.gmatch(ARGV[6], '%S+') do
    allowed = allowed or version == present
  end
end
if not allowed then
  return {'other', present or ''}
end
if is_put then
  for claim in string.gmatch(ARGV[4], '%S+') do
    local owner = redis.call('HGET', KEYS[5], claim)
    if owner and owner ~= name then
      return {'claimed', claim, owner}
    end
  end
  if not present and number('present') >= tonumber(ARGV[7]) then
    return {'many'}
  end
  if number('bytes') - (had_bytes or 0) + #ARGV[3] > tonumber(ARGV[8]) then
    return {'large'}
  end
elseif not present then
  return {'absent'}
end
local version = string.format('%.0f', math.max(now, number('version') + 1))
put(name, is_put and (version .. '\n' .. ARGV[4] .. '\n' .. ARGV[3]) or version, tonumber(ARGV[9]))
return {'done', version}
