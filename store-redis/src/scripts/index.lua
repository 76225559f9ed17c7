-- KEYS[1] the index of a user. ARGV: the member; its deadline; now; for how long Redis keeps a record beyond its deadline.
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
local last = redis.call('ZRANGE', KEYS[1], '-1', '-1', 'WITHSCORES')[2]
if last then redis.call('PEXPIREAT', KEYS[1], tonumber(last) + tonumber(ARGV[4])) end
return 1
