-- Decides one charge after another. Each spends from all of its counters, or from none; or gives back to all of them.
--
-- KEYS   for each charge: for each item its counter, and with its reservations where "keys" or the item says so; then
--        the record of the reservation, unless the charge comes without one
-- ARGV   1 most open reservations of a counter; then for each charge:
--        "peek", "spend", "hold" or "restore"   "all" or "few" keys: whether each item comes with its reservations, or those that
--        are held   number of items
--        to hold: reservation id   its time to live in ms   what to keep of the charge, or "" without a record
--        for each item: amount   to hold: ms after which it comes back, 0 if it is spent for good, and 1 if it counts
--        as the reservation when it expires, else 0
--        algorithm, most units   of windows and buckets: ms of the window   of buckets: units per window
-- reply  {now in ms, expired, charge...}; of each charge
--        {1, remaining, ms to reset, ...}  allowed and, unless peeked, spent; or given back: how each item then stands
--        {0, remaining, ms to reset, ms to wait, whether only time makes room, ...}  refused: how each item stands, where
--        -1 ms say that waiting does not help, and nothing else makes room where no reservation is open
--        {2}  too many open reservations, nothing was spent
--        {3, record}  the id is open, nothing was spent
--        Charges that are missing at the end were not decided: the first of them needs "all" keys, since a reservation
--        of one of its items is due. `expired` counts the reservations given back because their time was over.
--
-- Atomic because two calls that see the same room would both spend it, and because an item may be spent only when all
-- are. Several charges share a call because calling costs more than deciding.

local reservations_max = tonumber(ARGV[1])
local at, key_at = 2, 1

local function next_argument()
  at = at + 1
  return ARGV[at - 1]
end

local function next_key()
  key_at = key_at + 1
  return KEYS[key_at - 1]
end

local function next_counter(is_hold, has_all_keys)
  local amount = tonumber(next_argument())
  local held_ms = is_hold and tonumber(next_argument()) or 0
  local counted = is_hold and next_argument()
  local key = next_key()
  local open_key = (has_all_keys or held_ms > 0) and next_key() or nil
  local counter
  counter, at = counter_at(at, key, open_key)
  counter.amount, counter.held_ms, counter.counted = amount, held_ms, counted
  return counter
end

local function next_charge()
  local charge = { mode = next_argument() }
  local has_all_keys, count = next_argument() == "all", tonumber(next_argument())
  local is_hold = charge.mode == "hold"
  if is_hold then
    charge.id, charge.ttl_ms, charge.text = next_argument(), tonumber(next_argument()), next_argument()
  end
  for index = 1, count do charge[index] = next_counter(is_hold, has_all_keys) end
  if is_hold and charge.text ~= "" then charge.record_key = next_key() end
  return charge
end

local function remaining_of(counter)
  if counter.algorithm == TOKEN_BUCKET then
    return floor((counter.units * counter.window_ms - counter.level) / counter.window_ms)
  end
  return counter.units - counter.level
end

-- Until the newest part in which something is spent has left the window.
local function sliding_reset_ms(counter)
  if counter.newest_units > 0 then return end_of(counter, counter.part) - now_ms end
  for part = counter.part - 1, counter.part - parts, -1 do
    if units_of(counter, part) > 0 then return end_of(counter, part) - now_ms end
  end
  return 0
end

-- Until enough of the oldest parts have left the window.
local function sliding_wait_ms(counter, over)
  for part = counter.part - parts, counter.part - 1 do
    over = over - units_of(counter, part)
    if over <= 0 then return end_of(counter, part) - now_ms end
  end
  return end_of(counter, counter.part) - now_ms
end

local function reset_ms_of(counter)
  local algorithm = counter.algorithm
  if counter.level == 0 or algorithm > FIXED_WINDOW then return 0 end
  if algorithm == TOKEN_BUCKET then return ceil(counter.level / counter.per_window) end
  if algorithm == SLIDING_WINDOW then return sliding_reset_ms(counter) end
  return counter.window_ms - now_ms % counter.window_ms
end

-- 0 where the amount fits, -1 where it never does.
local function wait_ms_of(counter)
  local algorithm, units = counter.algorithm, counter.units
  -- 0 asks whether one unit would fit.
  local asked = counter.amount == 0 and 1 or counter.amount
  if asked > units then return -1 end
  if algorithm == TOKEN_BUCKET then
    local over = counter.level + (asked - units) * counter.window_ms
    return over <= 0 and 0 or ceil(over / counter.per_window)
  end
  local over = counter.level + asked - units
  if over <= 0 then return 0 end
  if algorithm == SLIDING_WINDOW then return sliding_wait_ms(counter, over) end
  if algorithm == FIXED_WINDOW then return counter.window_ms - now_ms % counter.window_ms end
  -- Nobody knows when others give slots back.
  return 1000
end

-- The longest that anything spent now is missing.
local function refill_ms_of(counter)
  if counter.algorithm > FIXED_WINDOW then return 0 end
  if counter.algorithm > TOKEN_BUCKET then return counter.window_ms * 2 end
  return ceil(counter.units * counter.window_ms / counter.per_window)
end

-- The set must outlive the counter, which may need it at its last look.
local function open(counter, id)
  local due_ms = now_ms + counter.held_ms
  local member = string.format("%.0f %.0f ", counter.amount, now_ms) .. counter.counted .. " " .. id
  local first, last = counter.first_due_ms, max(counter.last_due_ms, due_ms)
  -- A counter that was idle was forgotten with its reservations, which may have left their members.
  if first == 0 then call("DEL", counter.open_key) end
  counter.first_due_ms = first == 0 and due_ms or min(first, due_ms)
  counter.last_due_ms = last
  call("ZADD", counter.open_key, due_ms, member)
  call("PEXPIRE", counter.open_key, last - now_ms + refill_ms_of(counter) + 2 * spare_ms)
end

local function is_full(charge)
  for _, counter in ipairs(charge) do
    local is_open = counter.held_ms > 0 and counter.first_due_ms > 0
    if is_open and call("ZCARD", counter.open_key) >= reservations_max then return true end
  end
  return false
end

local function spend_all(charge)
  for _, counter in ipairs(charge) do
    if counter.amount > 0 then
      spend(counter, counter.amount)
      if counter.held_ms > 0 then open(counter, charge.id) end
      write(counter)
    end
  end
end

local function restore_all(charge)
  for _, counter in ipairs(charge) do
    if counter.amount > 0 and counter.level > 0 then
      restore(counter, counter.amount)
      write(counter)
    end
  end
end

-- What an open reservation says: when it ends, then of each item when it was spent and how it stood.
local function keep_record(charge, reply)
  local words = { string.format("%.0f", now_ms + charge.ttl_ms) }
  for index = 2, #reply, 2 do
    words[#words + 1] = string.format("%.0f %.0f %.0f", now_ms, reply[index], reply[index + 1])
  end
  local record = table.concat(words, " ") .. "\n" .. charge.text
  call("SET", charge.record_key, record, "PX", charge.ttl_ms + spare_ms)
end

local function open_record(charge)
  local record = charge.record_key and call("GET", charge.record_key)
  return record and tonumber(string.match(record, "^%d+")) > now_ms and record
end

-- Nothing where other keys are needed.
local function decide(charge)
  local record = open_record(charge)
  if record then return { 3, record } end
  local reply, allowed = { 1 }, true
  for index, counter in ipairs(charge) do
    read(counter)
    if is_due(counter) then
      if not counter.open_key then return nil end
      expire(counter)
    end
    counter.wait_ms = wait_ms_of(counter)
    if counter.wait_ms ~= 0 then allowed = false end
  end
  if charge.mode == "restore" then
    allowed = true
    restore_all(charge)
  elseif allowed and charge.mode ~= "peek" then
    -- What has no time to live is not reserved, but waits for its second step.
    if charge.mode == "hold" and charge.ttl_ms > 0 and is_full(charge) then return { 2 } end
    spend_all(charge)
  end
  if not allowed then reply[1] = 0 end
  for _, counter in ipairs(charge) do
    reply[#reply + 1] = remaining_of(counter)
    reply[#reply + 1] = reset_ms_of(counter)
    if not allowed then
      reply[#reply + 1] = counter.wait_ms
      reply[#reply + 1] = counter.first_due_ms == 0 and 1 or 0
    end
  end
  if charge.record_key and allowed then keep_record(charge, reply) end
  return reply
end

local replies = { now_ms, 0 }
while at <= #ARGV do
  local decided, reply = pcall(decide, next_charge())
  if not decided then
    -- A key that is something else concerns one charge; whatever else is wrong concerns all, and came before any write.
    local message = type(reply) == "table" and reply.err or tostring(reply)
    if not string.find(message, "WRONGTYPE", 1, true) then error(reply) end
    reply = { err = message }
  end
  if reply == nil then break end
  replies[#replies + 1] = reply
end
replies[2] = expired
return replies
