-- KEYS[1] the record. ARGV: what it should begin with.
if redis.call('GETRANGE', KEYS[1], '0', '8') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
