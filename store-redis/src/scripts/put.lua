-- KEYS[1] the record. ARGV: the version that is expected, or nothing for "absent"; now; the new record; when Redis may
-- remove it.
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if head == '' then
    if ARGV[1] ~= '' then return 0 end
elseif #head < 17 or string.byte(head) ~= 1 then
    return 0 -- not written by this release: nothing is known about it, so it stays
else
    local alive = struct.unpack('>I8', head, 10) > tonumber(ARGV[2])
    if ARGV[1] == '' then
        if alive then return 0 end
    elseif not alive or string.sub(head, 2, 9) ~= ARGV[1] then
        return 0
    end
end
redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4])
return 1
