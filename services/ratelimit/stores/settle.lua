-- Ends one reservation: of each amount at most a given part stays spent, and the rest comes back.
--
-- KEYS   for each item: its counter, its reservations; then the record of the reservation, if it has one here
-- ARGV   1 the most that is kept of each amount, -1 for all of it; then for each item:
--        amount   ms at which it was spent   its member of the reservations
--        algorithm, most units   of windows and buckets: ms of the window   of buckets: units per window
-- reply  {now in ms, expired, items, whether a record was open}: how many items were open; one that was not was settled
--        before, or its time is over. `expired` counts the reservations given back because their time was over.
--
-- Atomic because a reservation given back twice would be a gift, and one given back in part a loss.

local kept_max = tonumber(ARGV[1])
local count = math.floor(#KEYS / 2)
local at, items, records = 2, 0, 0

local function end_item(counter, amount, spent_at_ms, member)
  if redis.call("ZREM", counter.open_key, member) == 0 then return end
  items = items + 1
  local back = kept_max < 0 and 0 or math.max(0, amount - kept_max)
  -- Slots come back whatever is kept.
  if counter.algorithm == "concurrency" then back = amount end
  if back == 0 then return end
  give_back(counter, back, spent_at_ms)
  write(counter)
end

for index = 1, count do
  local amount, spent_at_ms, member = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
  local counter
  counter, at = counter_at(at + 3, KEYS[2 * index - 1], KEYS[2 * index])
  if read(counter) then expire(counter) end
  end_item(counter, amount, spent_at_ms, member)
end

local record_key = KEYS[2 * count + 1]
local record = record_key and redis.call("GET", record_key)
if record and tonumber(string.match(record, "^%d+")) > now_ms then
  redis.call("DEL", record_key)
  records = 1
end
return { now_ms, expired, items, records }
