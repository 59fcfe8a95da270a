-- Takes the id of a reservation whose counters are in several slots, before anything is spent under it.
--
-- KEYS   1 the record of the reservation
-- ARGV   1 ms after which the claim is void
-- reply  {now in ms, record}  the record of the id if it is open or being opened; false: it is the caller's now
--
-- Atomic because two calls with the same id would both spend.

local time = redis.call("TIME")
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call("GET", KEYS[1])
if record and tonumber(string.match(record, "^%d+")) > now_ms then return { now_ms, record } end

local claim = string.format("%.0f", now_ms + tonumber(ARGV[1]))
redis.call("SET", KEYS[1], claim, "PX", ARGV[1])
return { now_ms, false }
