-- KEYS[1] the value. ARGV: "absent", or "value" for the one that is expected; that one; now; the new value; when it expires.
local value = redis.call('GET', KEYS[1])
local expiry = redis.pcall('PEXPIRETIME', KEYS[1])
if type(expiry) == 'table' then -- before Redis 7
    expiry = redis.call('PTTL', KEYS[1])
    if expiry >= 0 then
        local time = redis.call('TIME')
        expiry = expiry + time[1] * 1000 + math.floor(time[2] / 1000)
    end
end
if expiry >= 0 and expiry <= tonumber(ARGV[3]) then value = false end
if ARGV[1] == 'absent' then
    if value then return 0 end
elseif value ~= ARGV[2] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[4], 'PXAT', ARGV[5])
return 1
