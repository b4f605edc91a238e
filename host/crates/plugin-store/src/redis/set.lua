-- Puts a value under a key.   ARGV  2 value
return put(ARGV[2]) and {ok = 'OK'} or {ok = 'FULL'}
