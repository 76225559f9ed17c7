-- KEYS[1] the record. ARGV: what it should begin with.
local head = redis.call('GETRANGE', KEYS[1], '0', '16')
if #head < 17 or string.sub(head, 1, 9) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
