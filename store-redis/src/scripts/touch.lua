-- KEYS[1] the record. ARGV: its version; now; the new deadline, as a number and as it is stored; when Redis may remove it.
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if #head < 17 or string.byte(head) ~= 1 or string.sub(head, 2, 9) ~= ARGV[1] then return 0 end
local deadline = struct.unpack('>I8', head, 10)
if deadline <= tonumber(ARGV[2]) or deadline >= tonumber(ARGV[3]) then return 0 end
redis.call('SETRANGE', KEYS[1], 9, ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[5])
return 1
