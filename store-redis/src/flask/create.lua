-- For a key that was taken. KEYS[1] the value. ARGV: the new one; when it expires; now.
local expiry = expiry_of(KEYS[1])
if expiry == -1 or expiry > tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
return 1
