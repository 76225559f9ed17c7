-- KEYS[1] the value. ARGV: the one that is expected.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
