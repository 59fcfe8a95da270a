-- What decide.lua and settle.lua share; put in front of both. The arithmetic is that of gcra.ts: whole numbers of
-- parts below 2^53, so a double holds them exactly.

local function now_in_ms()
  local time = redis.call("TIME")
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Bucket number `index` of a call, whose triples of ARGV start at `first`.
local function bucket_at(index, first)
  local at = first + 3 * (index - 1)
  return {
    state_key = KEYS[2 * index - 1],
    open_key = KEYS[2 * index],
    per_window = tonumber(ARGV[at]),
    window_ms = tonumber(ARGV[at + 1]),
    burst = tonumber(ARGV[at + 2]),
  }
end

-- The name of a reservation in the sorted set of a bucket. `index` lets one of several buckets count it.
local function member_of(amount, index, id)
  return string.format("%.0f %d ", amount, index) .. id
end

local function debt_of(bucket, now_ms)
  local state = redis.call("GET", bucket.state_key)
  if not state then return 0 end
  local ms, parts = string.match(state, "^(%d+) (%d+)$")
  parts = math.min(tonumber(parts), bucket.per_window - 1)
  local debt = (tonumber(ms) - now_ms) * bucket.per_window + parts
  return math.min(math.max(debt, 0), bucket.burst * bucket.window_ms)
end

-- A full bucket has no key; any other is full, and gone, at its arrival time.
local function save_debt(bucket, debt, now_ms)
  if debt <= 0 then
    redis.call("DEL", bucket.state_key)
    return
  end
  local parts = debt % bucket.per_window
  local wait_ms = (debt - parts) / bucket.per_window
  local state = string.format("%.0f %.0f", now_ms + wait_ms, parts)
  redis.call("SET", bucket.state_key, state, "PX", string.format("%.0f", wait_ms + 1))
end
