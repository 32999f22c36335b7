#!lua
-- Compare and set which versions of a model are live, staged and previous (an empty string: none).
-- KEYS: the model's hash.  ARGV: live, staged, previous as expected, then fields and values to store.
-- Returns 1, or 0 if they are not as expected.
for i, field in ipairs({'live', 'staged', 'previous'}) do
  if (redis.call('HGET', KEYS[1], field) or '') ~= ARGV[i] then
    return 0
  end
end
redis.call('DEL', KEYS[1])
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
return 1
