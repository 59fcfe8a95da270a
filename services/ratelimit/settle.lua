-- Ends one reservation: commits it, or gives it back to every bucket it was taken from.
--
-- KEYS   for each rule: its bucket, its open reservations; then the record of the reservation
-- ARGV   1 "commit" or "release"   2 amount   3 reservation id
--        from 4, for each rule: units per window, ms of the window, burst
-- reply  1 when the reservation was open, else 0: it was settled before, or its time is over
--
-- Atomic because a reservation given back twice would be a gift, and one given back in part a loss.

local mode, amount, id = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now_ms = now_in_ms()
local settled = 0

for index = 1, math.floor(#KEYS / 2) do
  local bucket = bucket_at(index, 4)
  local member = member_of(amount, index, id)
  local due_ms = redis.call("ZSCORE", bucket.open_key, member)
  -- What is due belongs to the next look at the bucket, which gives it back.
  if due_ms and tonumber(due_ms) >= now_ms then
    redis.call("ZREM", bucket.open_key, member)
    settled = 1
    if mode == "release" then
      save_debt(bucket, debt_of(bucket, now_ms) - amount * bucket.window_ms, now_ms)
    end
  end
end

if settled == 1 then redis.call("DEL", KEYS[#KEYS]) end
return settled
