#!lua
-- Store features and rows of items of one bucket whose rev is not below the stored one's.
-- KEYS: features, then rows and negative answers of each release.
-- ARGV: for each item its field, value (rev as 8 bytes, then the features), ttl (0: known item), a row per release.
-- With a ttl it is an item that nobody has heard of: a stored deletion that is not newer is forgotten, features never.
-- Returns the number of items stored.
local now = now_ms()
local num_releases = (#KEYS - 1) / 2
for release = 1, num_releases do
  local rows, negative = KEYS[2 * release], KEYS[2 * release + 1]
  -- A hash field cannot expire by itself; a hundred a write keeps ahead of what writes add.
  for _, field in ipairs(redis.call('ZRANGEBYSCORE', negative, '-inf', digits(now), 'LIMIT', 0, 100)) do
    redis.call('HDEL', rows, field)
    redis.call('ZREM', negative, field)
  end
end
local num_stored = 0
for i = 1, #ARGV, 3 + num_releases do
  local field, value, ttl = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local stored = redis.call('HGET', KEYS[1], field)
  if not stored or (struct.unpack('<I8', value) >= struct.unpack('<I8', stored) and (ttl == 0 or #stored == 8)) then
    local expires = 0
    if ttl > 0 then
      expires = now + ttl
      redis.call('HDEL', KEYS[1], field)
    else
      redis.call('HSET', KEYS[1], field, value)
    end
    for release = 1, num_releases do
      local rows, negative = KEYS[2 * release], KEYS[2 * release + 1]
      redis.call('HSET', rows, field, stamped(ARGV[i + 2 + release], now, expires))
      if ttl > 0 then
        redis.call('ZADD', negative, digits(expires), field)
      else
        redis.call('ZREM', negative, field)
      end
    end
    num_stored = num_stored + 1
  end
end
return num_stored
