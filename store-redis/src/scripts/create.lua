-- KEYS[1] the record. ARGV: the present time, as a deadline is stored; the new record; when Redis may remove it.
local head = redis.call('GETRANGE', KEYS[1], '0', '16')
if head ~= '' then
    -- Not written by this release: nothing is known about it, so it stays.
    if #head < 17 or string.byte(head) ~= 1 then return 0 end
    if struct.unpack('>I8', head, 10) > struct.unpack('>I8', ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1
