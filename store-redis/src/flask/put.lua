-- KEYS[1] the value. ARGV: "absent", or "value" for the one that is expected; that one; now; the new value; when it expires.
local value = redis.call('GET', KEYS[1])
local expiry = expiry_of(KEYS[1])
if expiry >= 0 and expiry <= tonumber(ARGV[3]) then value = false end
if ARGV[1] == 'absent' then
    if value then return 0 end
elseif value ~= ARGV[2] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[4], 'PXAT', ARGV[5])
return 1
