-- Sends each request with an id of its own, looks at each answer, and ends with one line of JSON.
-- arguments: file of requests, what the ids begin with, what a good answer contains
local HOLE = ("#"):rep(16)
local heads, tails, sent, run, proof = {}, {}, 0, nil, nil
local threads = {}
good = 0

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  run, proof = args[2], args[3]
  for request in file:read("*a"):gmatch("[^\30]+") do
    local first, last = request:find(HOLE, 1, true)
    table.insert(heads, request:sub(1, first - 1))
    table.insert(tails, request:sub(last + 1))
  end
  file:close()
end

function request()
  local place = sent % #heads + 1
  sent = sent + 1
  return heads[place] .. run .. ("%08d"):format(sent) .. tails[place]
end

function response(status, headers, body)
  if status == 200 and body:find(proof, 1, true) then
    good = good + 1
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(("\n{\"seconds\": %.6f, \"answers\": %d, \"good\": %d, \"broken\": %d, \"timeouts\": %d"):format(
    summary.duration / 1e6, summary.requests, threads[1]:get("good"),
    errors.connect + errors.read + errors.write, errors.timeout))
  io.write((", \"p50_us\": %d, \"p90_us\": %d, \"p99_us\": %d, \"max_us\": %d}\n"):format(
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
