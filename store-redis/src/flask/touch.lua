-- KEYS[1] the value. ARGV: the one that is expected; now; when it is to expire.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local expiry = expiry_of(KEYS[1])
if expiry < 0 or expiry <= tonumber(ARGV[2]) or expiry >= tonumber(ARGV[3]) then return 0 end
return redis.call('PEXPIREAT', KEYS[1], ARGV[3])
