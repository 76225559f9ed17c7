-- When a key expires: milliseconds since 1970, or below 0 for never. It stands in front of the scripts that ask for it.
local function expiry_of(key)
    local expiry = redis.pcall('PEXPIRETIME', key)
    if type(expiry) == 'table' then -- before Redis 7
        expiry = redis.call('PTTL', key)
        if expiry >= 0 then
            local time = redis.call('TIME')
            expiry = expiry + time[1] * 1000 + math.floor(time[2] / 1000)
        end
    end
    return expiry
end
