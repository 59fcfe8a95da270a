-- Looks at buckets, and spends from all of them or from none.
--
-- KEYS   for each rule: its bucket, its open reservations; then, to reserve, the record of the reservation
-- ARGV   1 "peek", "take" or "reserve"   2 amount   3 most open reservations of a bucket
--        4 reservation id   5 its time to live in ms   6 what to keep of the charge
--        from 7, for each rule: units per window, ms of the window, burst
-- reply  {"decided", expired, debt...}  the debt of each bucket before; it fits all or nothing was spent
--        {"full", expired}              too many open reservations, nothing was spent
--        {"known", expired, record}     the id is open, nothing was spent
--        `expired` counts the reservations whose time was over, given back before anything else
--
-- Atomic because two calls that see the same room would both spend it, and because a rule may spend only when all do.

local mode, amount, reservations_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local id, ttl_ms, charge = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local rule_count = math.floor(#KEYS / 2)
local now_ms = now_in_ms()

-- A reservation is due once its last millisecond has passed, as Redis's own expiry has it.
local due_before = "(" .. string.format("%.0f", now_ms)

-- Gives back what is due, so that a bucket is right whenever anyone looks. Between a reservation's end and this look
-- nobody spent, so giving back late comes to the same as giving back in time.
local function sweep(bucket)
  local due = redis.call("ZRANGEBYSCORE", bucket.open_key, "-inf", due_before)
  if #due == 0 then return 0 end
  redis.call("ZREMRANGEBYSCORE", bucket.open_key, "-inf", due_before)
  local units, expired = 0, 0
  for _, member in ipairs(due) do
    local reserved, index = string.match(member, "^(%d+) (%d+) ")
    units = units + tonumber(reserved)
    if index == "1" then expired = expired + 1 end
  end
  save_debt(bucket, debt_of(bucket, now_ms) - units * bucket.window_ms, now_ms)
  return expired
end

-- The set must outlive its last member until the bucket would be full even without it.
local function open(bucket, index)
  redis.call("ZADD", bucket.open_key, now_ms + ttl_ms, member_of(amount, index, id))
  local keep_ms = ttl_ms + math.ceil(bucket.burst * bucket.window_ms / bucket.per_window)
  if redis.call("PTTL", bucket.open_key) < keep_ms then
    redis.call("PEXPIRE", bucket.open_key, string.format("%.0f", keep_ms))
  end
end

local expired, allowed, full = 0, true, false
local buckets, debts = {}, {}
for index = 1, rule_count do
  local bucket = bucket_at(index, 7)
  expired = expired + sweep(bucket)
  local debt = debt_of(bucket, now_ms)
  -- The first comparison keeps the second in the range of whole numbers.
  local fits = amount <= bucket.burst
    and debt + amount * bucket.window_ms <= bucket.burst * bucket.window_ms
  allowed = allowed and fits
  full = full or (mode == "reserve" and redis.call("ZCARD", bucket.open_key) >= reservations_max)
  buckets[index], debts[index] = bucket, debt
end

local record_key = KEYS[2 * rule_count + 1]
local record = mode == "reserve" and redis.call("GET", record_key)
if record then return { "known", expired, record } end

if allowed and full then return { "full", expired } end

if allowed and mode ~= "peek" then
  for index, bucket in ipairs(buckets) do
    save_debt(bucket, debts[index] + amount * bucket.window_ms, now_ms)
    if mode == "reserve" then open(bucket, index) end
  end
end

local reply = { "decided", expired }
local found = {}
for index, debt in ipairs(debts) do
  reply[index + 2] = debt
  found[index] = string.format("%.0f", debt)
end
if allowed and mode == "reserve" then
  redis.call("SET", record_key, table.concat(found, " ") .. "\n" .. charge, "PX", ttl_ms)
end
return reply
