-- KEYS[1] the record. ARGV: its version.
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if #head < 17 or string.byte(head) ~= 1 or string.sub(head, 2, 9) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
