-- Counters of every algorithm; put in front of decide.lua and settle.lua. The arithmetic is that of ../algorithms: whole
-- numbers up to 2^53, which a double holds exactly.
--
-- A counter is one string of packed doubles. The first two are when its first open reservation ends, or earlier, and
-- when its last does, or later; both are 0 if nothing is reserved. So whatever is spent without a reservation looks at
-- no more than that string. Then follow, by algorithm:
--   token_bucket    ms at which it is full again, parts of one more ms
--   sliding_window  newest part of time, units spent in it, units of the window; and unless all are of the newest part
--                   65 units by part, where a part has the place of its number modulo 65
--   fixed_window    number of the window, units spent in it
--   concurrency     slots held
-- A counter that is as new has no key. A sorted set beside it has its open reservations by when they end; its members
-- are "AMOUNT SPENT_AT_MS COUNTED ID", where COUNTED is 1 for one of the counters of a reservation, else 0.

-- Redis makes each function anew for each call, and the more locals of the file it uses, the dearer it is: so there are few
-- of both, and libraries are reached by their names.

-- A key lives so much longer than it must: its end is counted from the start of a script, which is before `now_ms`.
local spare_ms = 10
local parts = 64
local ring_bytes = 8 * (parts + 1)

local time = redis.call("TIME")
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local expired = 0

-- A counter from the words in ARGV that begin at `at`, and where they end. It has all of its fields from the start: a
-- table that grows costs more than all sums.
local function counter_at(at, key, open_key)
  local algorithm = ARGV[at]
  local counter = {
    algorithm = algorithm, key = key, open_key = open_key, units = ARGV[at + 1] + 0, window_ms = 0, per_window = 0,
    level = 0, first_due_ms = 0, last_due_ms = 0, part = 0, newest_units = 0, ring = "",
    amount = 0, held_ms = 0, counted = false, wait_ms = 0,
  }
  if algorithm == "concurrency" then return counter, at + 2 end
  counter.window_ms = ARGV[at + 2] + 0
  if algorithm ~= "token_bucket" then return counter, at + 3 end
  counter.per_window = ARGV[at + 3] + 0
  return counter, at + 4
end

local function part_at(counter, at_ms) return math.floor(at_ms * parts / counter.window_ms) end

-- The first millisecond in which nothing of the part counts any more.
local function end_of(counter, part) return math.ceil((part + parts + 1) * counter.window_ms / parts) end

local function units_of(counter, part)
  if counter.ring == "" then return 0 end
  return (struct.unpack("<d", counter.ring, part % (parts + 1) * 8 + 1))
end

-- Writes units from the place of one part to that of another, which is not before it.
local function write_ring(counter, first, last, bytes)
  local ring = counter.ring == "" and string.rep("\0", ring_bytes) or counter.ring
  counter.ring = string.sub(ring, 1, first * 8) .. bytes .. string.sub(ring, last * 8 + 9)
end

-- Makes the part that is now the newest. A clock that was set back makes all of it as if spent now.
local function advance(counter)
  local part, newest = part_at(counter, now_ms), counter.part
  local passed = part - newest
  if passed == 0 then return end
  counter.part = part
  if passed < 0 then
    counter.newest_units, counter.ring = counter.level, ""
    return
  end
  if passed > parts then
    counter.newest_units, counter.level, counter.ring = 0, 0, ""
    return
  end
  local units = counter.newest_units
  counter.newest_units = 0
  if counter.ring == "" and units == 0 then return end
  if counter.ring ~= "" then
    for left = newest + 1, part do counter.level = counter.level - units_of(counter, left) end
    local first, last = (newest + 1) % (parts + 1), part % (parts + 1)
    local zeros = string.rep("\0", ring_bytes)
    if first <= last then
      write_ring(counter, first, last, string.sub(zeros, 1, (last - first + 1) * 8))
    else
      write_ring(counter, first, parts, string.sub(zeros, 1, (parts - first + 1) * 8))
      write_ring(counter, 0, last, string.sub(zeros, 1, (last + 1) * 8))
    end
  end
  local place = newest % (parts + 1)
  write_ring(counter, place, place, struct.pack("<d", units))
end

-- `level` is what is spent: parts of a token bucket, units of a window, slots. Returns whether a reservation is due.
local function read(counter)
  local state = redis.call("GET", counter.key)
  local algorithm = counter.algorithm
  if algorithm == "sliding_window" then counter.part = part_at(counter, now_ms) end
  if not state then return false end
  if algorithm == "token_bucket" then
    local full_at_ms, rest
    counter.first_due_ms, counter.last_due_ms, full_at_ms, rest = struct.unpack("<dddd", state)
    -- A clock that was set back costs a full bucket at most.
    local level = (full_at_ms - now_ms) * counter.per_window + rest
    counter.level = math.min(math.max(level, 0), counter.units * counter.window_ms)
  elseif algorithm == "fixed_window" then
    local window, spent
    counter.first_due_ms, counter.last_due_ms, window, spent = struct.unpack("<dddd", state)
    -- In a window to come it was spent before the clock was set back.
    if window >= math.floor(now_ms / counter.window_ms) then counter.level = spent end
  elseif algorithm == "sliding_window" then
    counter.first_due_ms, counter.last_due_ms, counter.part, counter.newest_units, counter.level =
      struct.unpack("<ddddd", state)
    counter.ring = string.sub(state, 41)
    advance(counter)
  else
    counter.first_due_ms, counter.last_due_ms, counter.level = struct.unpack("<ddd", state)
  end
  return counter.first_due_ms > 0 and counter.first_due_ms <= now_ms
end

local function write(counter)
  local algorithm, level = counter.algorithm, counter.level
  local first, last = counter.first_due_ms, counter.last_due_ms
  if level <= 0 and first == 0 then
    redis.call("DEL", counter.key)
    return
  end
  local state, idle_ms = nil, 0
  if algorithm == "token_bucket" then
    local rest = level % counter.per_window
    idle_ms = (level - rest) / counter.per_window
    state = struct.pack("<dddd", first, last, now_ms + idle_ms, rest)
    idle_ms = idle_ms + 1
  elseif algorithm == "fixed_window" then
    state = struct.pack("<dddd", first, last, math.floor(now_ms / counter.window_ms), level)
    idle_ms = counter.window_ms - now_ms % counter.window_ms
  elseif algorithm == "sliding_window" then
    state = struct.pack("<ddddd", first, last, counter.part, counter.newest_units, level) .. counter.ring
    idle_ms = end_of(counter, counter.part) - now_ms
  else
    state = struct.pack("<ddd", first, last, level)
  end
  if first > 0 then idle_ms = math.max(idle_ms, last - now_ms) end
  redis.call("SET", counter.key, state, "PX", idle_ms + spare_ms)
end

-- Takes back what was spent at `spent_at_ms`, unless it has come back by itself since.
local function give_back(counter, amount, spent_at_ms)
  local algorithm = counter.algorithm
  if algorithm == "token_bucket" then
    amount = amount * counter.window_ms
  elseif algorithm == "fixed_window" then
    local window_ms = counter.window_ms
    if math.floor(spent_at_ms / window_ms) ~= math.floor(now_ms / window_ms) then return end
  elseif algorithm == "sliding_window" then
    local part = part_at(counter, spent_at_ms)
    if part < counter.part - parts then return end
    if part >= counter.part then
      amount = math.min(amount, counter.newest_units)
      counter.newest_units = counter.newest_units - amount
    else
      local units, place = units_of(counter, part), part % (parts + 1)
      amount = math.min(amount, units)
      if amount > 0 then write_ring(counter, place, place, struct.pack("<d", units - amount)) end
    end
  end
  counter.level = math.max(0, counter.level - amount)
end

-- Gives back what is due, so that a counter is right whenever anyone looks. Between a reservation's end and this look
-- nobody spent, so giving back late comes to the same as giving back in time.
local function expire(counter)
  local open_key = counter.open_key
  local due = redis.call("ZRANGE", open_key, "-inf", now_ms, "BYSCORE")
  if #due > 0 then redis.call("ZREMRANGEBYSCORE", open_key, "-inf", now_ms) end
  for _, member in ipairs(due) do
    local amount, spent_at_ms, counted = string.match(member, "^(%d+) (%d+) (%d) ")
    give_back(counter, tonumber(amount), tonumber(spent_at_ms))
    expired = expired + tonumber(counted)
  end
  local first = redis.call("ZRANGE", open_key, 0, 0, "WITHSCORES")
  counter.first_due_ms = tonumber(first[2] or 0)
  if counter.first_due_ms == 0 then
    counter.last_due_ms = 0
    -- Slots are held by reservations only.
    if counter.algorithm == "concurrency" then counter.level = 0 end
  end
  write(counter)
end
