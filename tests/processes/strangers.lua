-- Requests to random hosts that do not exist, until so many were answered. At the end one line of JSON says what came back.
local ends = {"", ":9080", ":80", ".default.svc.cluster.local"}
local threads = {}
local wanted, answered = 0, 0
unexpected = 0

function setup(thread) table.insert(threads, thread) end

function init(args)
  wanted = tonumber(args[1])
  math.randomseed(tonumber(args[2]))
end

function request()
  wrk.headers["Host"] = string.format("stranger-%x%x%s", math.random(2 ^ 30), math.random(2 ^ 30), ends[math.random(#ends)])
  return wrk.format("GET", "/")
end

function response(status)
  answered = answered + 1
  if status ~= 404 then unexpected = unexpected + 1 end
  if answered >= wanted then wrk.thread:stop() end
end

function done(summary)
  local errors = summary.errors
  local failed = threads[1]:get("unexpected") + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\nsteady {"requests": %d, "failed": %d}\n', summary.requests, failed))
end
