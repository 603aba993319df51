-- wrk's script: posts requests that were made and signed before, each of them once.
-- Reads PATH (the first argument): "<bytes> <request>" again and again.
local ffi = require("ffi")
ffi.cdef([[
  typedef struct { long seconds, nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]])

local MONOTONIC = 1
local threads = {}

local function now()
   local moment = ffi.new("moment")
   ffi.C.clock_gettime(MONOTONIC, moment)
   return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   requests, sent, first, last = {}, 0, 0, 0
   local file = assert(io.open(args[1], "rb"))
   for size in function() return file:read("*n") end do
      file:read(1)
      table.insert(requests, file:read(size))
   end
   file:close()
end

-- Called when a connection is free again: the answer before has arrived.
function request()
   last = now()
   if sent == 0 then first = last end
   if sent == #requests then
      wrk.thread:stop()
      return requests[sent]
   end
   sent = sent + 1
   return requests[sent]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"answered":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"failed":%d}\n',
      summary.requests, threads[1]:get("last") - threads[1]:get("first"),
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
