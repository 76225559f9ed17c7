-- KEYS[1] the value. ARGV: the one that is expected; now; the new one; when it expires.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local expiry = expiry_of(KEYS[1])
if expiry >= 0 and expiry <= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4])
return 1
