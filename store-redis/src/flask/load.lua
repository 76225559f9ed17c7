-- KEYS[1] the value. Answers it, or nothing, and when it expires: milliseconds since 1970, or below 0 for never.
local value = redis.call('GET', KEYS[1])
local expiry = redis.pcall('PEXPIRETIME', KEYS[1])
if type(expiry) == 'table' then -- before Redis 7
    expiry = redis.call('PTTL', KEYS[1])
    if expiry >= 0 then
        local time = redis.call('TIME')
        expiry = expiry + time[1] * 1000 + math.floor(time[2] / 1000)
    end
end
return {value, expiry}
