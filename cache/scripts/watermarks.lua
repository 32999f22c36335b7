#!lua
-- Raise the watermarks of a topic's partitions; never lower one.
-- KEYS: the topic's hash.  ARGV: partition and time in ms of each.
for i = 1, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) > tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '-1') then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return 0
