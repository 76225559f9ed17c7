-- KEYS[1] the record. ARGV: the version that is expected; now; the new record; when Redis may remove it.
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if #head < 17 or string.byte(head) ~= 1 or string.sub(head, 2, 9) ~= ARGV[1] then return 0 end
if struct.unpack('>I8', head, 10) <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4])
return 1
