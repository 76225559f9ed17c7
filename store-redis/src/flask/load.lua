-- KEYS[1] the value. Answers it, or nothing, and when it expires: milliseconds since 1970, or below 0 for never.
local value = redis.call('GET', KEYS[1])
local expiry = expiry_of(KEYS[1])
return {value, expiry}
