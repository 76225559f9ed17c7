-- KEYS[1] the value. ARGV: now; the new one; when it expires.
local expiry = expiry_of(KEYS[1])
if expiry == -1 or expiry > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1
