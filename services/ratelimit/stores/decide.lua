-- Decides one charge after another. Each spends from all of its counters, or from none; or gives back to all of them.
--
-- KEYS   for each charge: for each item its counter, and with its reservations where all keys are given or the item is
--        held; then the record of the reservation, unless the charge comes without one
-- ARGV   1 most open reservations of a counter   2 "all" or "few" keys: whether each item comes with its reservations, or
--        those that are held; then for each charge:
--        "peek", "spend", "hold" or "restore"   number of items
--        to hold: reservation id   its time to live in ms   what to keep of the charge, or "" without a record
--        for each item: amount   to hold: ms after which it comes back, 0 if it is spent for good, and 1 if it counts
--        as the reservation when it expires, else 0
--        algorithm, most units   of windows and buckets: ms of the window   of buckets: units per window
-- reply  {now in ms, expired, ...}: then of each charge one of these, in one row, because an array in it is dear
--        1, remaining, ms to reset, ...  allowed and, unless peeked, spent; or given back: how each item then stands
--        0, remaining, ms to reset, ms to wait, whether only time makes room, ...  refused: how each item stands, where
--        -1 ms say that waiting does not help, and nothing else makes room where no reservation is open
--        2  too many open reservations, nothing was spent
--        3, record  the id is open, nothing was spent
--        an error  nothing was spent
--        Charges that are missing at the end were not decided: the first of them needs "all" keys, since a reservation
--        of one of its items is due. `expired` counts the reservations given back because their time was over.
--
-- Atomic because two calls that see the same room would both spend it, and because an item may be spent only when all
-- are. Several charges share a call because calling costs more than deciding.

local reservations_max, has_all_keys = ARGV[1] + 0, ARGV[2] == "all"
local at, key_at = 3, 1
local reply, length = { now_ms, 0 }, 2

local function next_counter(is_hold)
  local amount, held_ms, counted = ARGV[at] + 0, 0, false
  at = at + 1
  if is_hold then
    held_ms, counted = ARGV[at] + 0, ARGV[at + 1]
    at = at + 2
  end
  local key, open_key = KEYS[key_at], nil
  key_at = key_at + 1
  if has_all_keys or held_ms > 0 then
    open_key = KEYS[key_at]
    key_at = key_at + 1
  end
  local counter
  counter, at = counter_at(at, key, open_key)
  counter.amount, counter.held_ms, counter.counted = amount, held_ms, counted
  return counter
end

local function next_charge()
  local mode, count = ARGV[at], ARGV[at + 1] + 0
  at = at + 2
  if mode ~= "hold" then
    local charge = { mode = mode, [1] = next_counter(false) }
    for index = 2, count do charge[index] = next_counter(false) end
    return charge
  end
  local charge = { mode = mode, id = ARGV[at], ttl_ms = ARGV[at + 1] + 0, text = ARGV[at + 2] }
  at = at + 3
  for index = 1, count do charge[index] = next_counter(true) end
  if charge.text ~= "" then
    charge.record_key = KEYS[key_at]
    key_at = key_at + 1
  end
  return charge
end

local function remaining_of(counter)
  if counter.algorithm == "token_bucket" then
    return math.floor((counter.units * counter.window_ms - counter.level) / counter.window_ms)
  end
  return counter.units - counter.level
end

local function reset_ms_of(counter)
  local algorithm = counter.algorithm
  if counter.level == 0 or algorithm == "concurrency" then return 0 end
  if algorithm == "token_bucket" then return math.ceil(counter.level / counter.per_window) end
  if algorithm == "fixed_window" then return counter.window_ms - now_ms % counter.window_ms end
  -- Until the newest part in which something is spent has left the window.
  if counter.newest_units > 0 then return end_of(counter, counter.part) - now_ms end
  for part = counter.part - 1, counter.part - parts, -1 do
    if units_of(counter, part) > 0 then return end_of(counter, part) - now_ms end
  end
  return 0
end

-- 0 where the amount fits, -1 where it never does.
local function wait_ms_of(counter)
  local algorithm, units = counter.algorithm, counter.units
  -- 0 asks whether one unit would fit.
  local asked = counter.amount == 0 and 1 or counter.amount
  if asked > units then return -1 end
  if algorithm == "token_bucket" then
    local over = counter.level + (asked - units) * counter.window_ms
    return over <= 0 and 0 or math.ceil(over / counter.per_window)
  end
  local over = counter.level + asked - units
  if over <= 0 then return 0 end
  if algorithm == "fixed_window" then return counter.window_ms - now_ms % counter.window_ms end
  -- Nobody knows when others give slots back.
  if algorithm == "concurrency" then return 1000 end
  -- Until enough of the oldest parts have left the window.
  for part = counter.part - parts, counter.part - 1 do
    over = over - units_of(counter, part)
    if over <= 0 then return end_of(counter, part) - now_ms end
  end
  return end_of(counter, counter.part) - now_ms
end

-- The set must outlive the counter, which may need it at its last look.
local function open(counter, id)
  local due_ms = now_ms + counter.held_ms
  local member = string.format("%.0f %.0f ", counter.amount, now_ms) .. counter.counted .. " " .. id
  local first, last = counter.first_due_ms, math.max(counter.last_due_ms, due_ms)
  -- A counter that was idle was forgotten with its reservations, which may have left their members.
  if first == 0 then redis.call("DEL", counter.open_key) end
  counter.first_due_ms = first == 0 and due_ms or math.min(first, due_ms)
  counter.last_due_ms = last
  redis.call("ZADD", counter.open_key, due_ms, member)
  -- The longest that anything spent now is missing.
  local refill_ms = counter.window_ms * 2
  if counter.algorithm == "token_bucket" then
    refill_ms = math.ceil(counter.units * counter.window_ms / counter.per_window)
  end
  redis.call("PEXPIRE", counter.open_key, last - now_ms + refill_ms + 2 * spare_ms)
end

local function is_full(charge)
  for _, counter in ipairs(charge) do
    local is_open = counter.held_ms > 0 and counter.first_due_ms > 0
    if is_open and redis.call("ZCARD", counter.open_key) >= reservations_max then return true end
  end
  return false
end

local function spend(counter, id)
  local amount, algorithm = counter.amount, counter.algorithm
  if amount == 0 then return end
  if algorithm == "token_bucket" then amount = amount * counter.window_ms end
  if algorithm == "sliding_window" then counter.newest_units = counter.newest_units + amount end
  counter.level = counter.level + amount
  if counter.held_ms > 0 then open(counter, id) end
  write(counter)
end

-- Takes back what was spent last, never more than was spent.
local function restore(counter)
  local amount, algorithm = counter.amount, counter.algorithm
  if amount == 0 or counter.level == 0 then return end
  if algorithm == "token_bucket" then amount = amount * counter.window_ms end
  amount = math.min(amount, counter.level)
  counter.level = counter.level - amount
  if algorithm == "sliding_window" then
    local some = math.min(amount, counter.newest_units)
    counter.newest_units = counter.newest_units - some
    local part = counter.part - 1
    while amount > some and part >= counter.part - parts do
      amount = amount - some
      local units, place = units_of(counter, part), part % (parts + 1)
      some = math.min(amount, units)
      if some > 0 then write_ring(counter, place, place, struct.pack("<d", units - some)) end
      part = part - 1
    end
  end
  write(counter)
end

-- What an open reservation says: when it ends, then of each item when it was spent and how it stood.
local function keep_record(charge)
  local words = { string.format("%.0f", now_ms + charge.ttl_ms) }
  for _, counter in ipairs(charge) do
    words[#words + 1] = string.format("%.0f %.0f %.0f", now_ms, remaining_of(counter), reset_ms_of(counter))
  end
  local record = table.concat(words, " ") .. "\n" .. charge.text
  redis.call("SET", charge.record_key, record, "PX", charge.ttl_ms + spare_ms)
end

-- Whether it is decided: not where other keys are needed. It fails before it spends or answers anything.
local function decide(charge)
  local mode, record_key = charge.mode, charge.record_key
  local record = record_key and redis.call("GET", record_key)
  if record and tonumber(string.match(record, "^%d+")) > now_ms then
    reply[length + 1], reply[length + 2] = 3, record
    length = length + 2
    return true
  end
  local allowed = true
  for index = 1, #charge do
    local counter = charge[index]
    if read(counter) then
      if not counter.open_key then return false end
      expire(counter)
    end
    counter.wait_ms = wait_ms_of(counter)
    if counter.wait_ms ~= 0 then allowed = false end
  end
  length = length + 1
  -- What has no time to live is not reserved, but waits for its second step.
  if allowed and mode == "hold" and charge.ttl_ms > 0 and is_full(charge) then
    reply[length] = 2
    return true
  end
  if mode == "restore" then allowed = true end
  reply[length] = allowed and 1 or 0
  for index = 1, #charge do
    local counter = charge[index]
    if mode == "restore" then
      restore(counter)
    elseif allowed and mode ~= "peek" then
      spend(counter, charge.id)
    end
    reply[length + 1], reply[length + 2] = remaining_of(counter), reset_ms_of(counter)
    length = length + 2
    if not allowed then
      reply[length + 1], reply[length + 2] = counter.wait_ms, counter.first_due_ms == 0 and 1 or 0
      length = length + 2
    end
  end
  if record_key and allowed then keep_record(charge) end
  return true
end

while at <= #ARGV do
  local ended, result = pcall(decide, next_charge())
  if not ended then
    -- A key that is something else concerns one charge; whatever else is wrong concerns all, and came before any write.
    local message = type(result) == "table" and result.err or tostring(result)
    if not string.find(message, "WRONGTYPE", 1, true) then error(result) end
    length = length + 1
    reply[length] = { err = message }
  elseif not result then
    break
  end
end
reply[2] = expired
return reply
