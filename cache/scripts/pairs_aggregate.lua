#!lua
-- Store a user's aggregate, if nobody has written pairs since its members were read.
-- KEYS: rows.  ARGV: the counter that was read with the members, the aggregate or an empty string for none.
-- Returns 1, or 0 if the members are no longer these.
if redis.call('HGET', KEYS[1], '~writes') ~= ARGV[1] then
  return 0
end
if #ARGV[2] > 0 then
  redis.call('HSET', KEYS[1], '~', ARGV[2])
else
  redis.call('HDEL', KEYS[1], '~')
end
return 1
