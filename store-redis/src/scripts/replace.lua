-- KEYS[1] the record. ARGV: what is compared of it, with the present time for a deadline; the new record; when Redis may
-- remove it.
local head = redis.call('GETRANGE', KEYS[1], '0', '16')
if #head < 17 then return 0 end
local start, deadline = struct.unpack('c9>I8', head)
local expected, now = struct.unpack('c9>I8', ARGV[1])
if start ~= expected or deadline <= now then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1
