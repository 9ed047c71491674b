-- Requests to random hosts that do not exist. At the end one line of JSON says what came back.
local ends = {"", ":9080", ":80", ".default.svc.cluster.local"}
local threads = {}
unexpected = 0

function setup(thread) table.insert(threads, thread) end

function init(args)
  math.randomseed(tonumber(args[1]))
end

function request()
  wrk.headers["Host"] = string.format("stranger-%x%x%s", math.random(2 ^ 30), math.random(2 ^ 30), ends[math.random(#ends)])
  return wrk.format("GET", "/")
end

function response(status)
  if status ~= 404 and status ~= 503 then unexpected = unexpected + 1 end -- 503: the control plane is slow to answer
end

function done(summary)
  local errors = summary.errors
  local failed = threads[1]:get("unexpected") + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\nsteady {"requests": %d, "failed": %d}\n', summary.requests, failed))
end
