-- KEYS[1] the record. ARGV: what is compared of it, with the present time for a deadline; the new deadline, as it is
-- stored; when Redis may remove it.
local head = redis.call('GETRANGE', KEYS[1], '0', '16')
if #head < 17 then return 0 end
local start, deadline = struct.unpack('c9>I8', head)
local expected, now = struct.unpack('c9>I8', ARGV[1])
if start ~= expected or deadline <= now or deadline >= struct.unpack('>I8', ARGV[2]) then return 0 end
redis.call('SETRANGE', KEYS[1], '9', ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1
