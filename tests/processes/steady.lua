-- Steady load: each connection pauses between its requests. At the end one line of JSON says what came back.
local threads = {}
local pause = 10
failures = 0
first = ""

function setup(thread) table.insert(threads, thread) end

function init(args) pause = tonumber(args[1] or 10) end

function delay() return pause end

function response(status, headers, body)
  if status ~= 200 then
    failures = failures + 1
    if failures <= 3 then first = first .. status .. " at " .. os.time() .. ": " .. string.sub(body, 1, 200) .. "; " end
  end
end

local function quoted(text)
  return '"' .. string.gsub(text, '[%c"\\]', " ") .. '"'
end

function done(summary, latency)
  local failed, words, errors = 0, "", summary.errors
  for _, thread in ipairs(threads) do
    failed = failed + thread:get("failures")
    words = words .. thread:get("first")
  end
  io.write(string.format(
    '\nsteady {"requests": %d, "refused": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, "p50": %f, "p99": %f, "longest": %f, "first": %s}\n',
    summary.requests, failed, errors.connect, errors.read, errors.write, errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000, quoted(words)))
end
