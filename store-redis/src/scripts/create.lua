-- For a key that was taken. KEYS[1] the record. ARGV: the new one; when Redis may remove it; now.
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if head ~= '' then
    -- Not written by this release: nothing is known about it, so it stays.
    if #head < 17 or string.byte(head) ~= 1 then return 0 end
    if struct.unpack('>I8', head, 10) > tonumber(ARGV[3]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
return 1
