#!lua
-- Note retrievals: the newest time of a user stays, times too long ago are dropped.
-- KEYS: the bucket's sorted set.  ARGV: how long to keep in ms, then time and user of each.
for i = 2, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'GT', ARGV[i], ARGV[i + 1])
end
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. digits(now_ms() - tonumber(ARGV[1])))
