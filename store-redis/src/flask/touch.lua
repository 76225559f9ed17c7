-- KEYS[1] the value. ARGV: the one that is expected; now; when it is to expire.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local expiry = redis.pcall('PEXPIRETIME', KEYS[1])
if type(expiry) == 'table' then -- before Redis 7
    expiry = redis.call('PTTL', KEYS[1])
    if expiry >= 0 then
        local time = redis.call('TIME')
        expiry = expiry + time[1] * 1000 + math.floor(time[2] / 1000)
    end
end
if expiry < 0 or expiry <= tonumber(ARGV[2]) or expiry >= tonumber(ARGV[3]) then return 0 end
return redis.call('PEXPIREAT', KEYS[1], ARGV[3])
