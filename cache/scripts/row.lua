-- Stands before every script: the store's time, and the header of a row (see cache/row.py for the byte table).

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function now_ms()
  return math.floor(now_us() / 1000)
end

-- The rev of a row; -1 for none and for a damaged one, so that any write replaces it.
local function rev_of(row)
  if not row or #row < 64 then
    return -1
  end
  local check = 1
  for i = 0, 7 do
    check = check + string.byte(row, 17 + i) * (2 * i + 1)
  end
  if check ~= struct.unpack('<I2', row, 7) then
    return -1
  end
  return (struct.unpack('<I8', row, 17))
end

-- The row with computed_ms and expires_ms written.
local function stamped(row, computed_ms, expires_ms)
  return string.sub(row, 1, 32) .. struct.pack('<I8I8', computed_ms, expires_ms) .. string.sub(row, 49)
end

-- Lua writes large numbers as 1.7e+15; Redis must not store that.
local function digits(number)
  return string.format('%.0f', number)
end

-- Let `key` live at least until `at_ms`.
local function live_until(key, at_ms)
  if redis.call('PTTL', key) == -1 then
    redis.call('PEXPIREAT', key, digits(at_ms))
  else
    redis.call('PEXPIREAT', key, digits(at_ms), 'GT')
  end
end

-- Pairs: remove rows and pending marks (members that begin with ~) whose time is over.
local function drop_expired_pairs(rows, index, now)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', digits(now))) do
    if string.byte(member, 1) ~= 126 then
      redis.call('HDEL', rows, member)
    end
    redis.call('ZREM', index, member)
  end
end
