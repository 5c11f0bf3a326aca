-- Functions of any number of arguments.
local N = tonumber(arg and arg[1]) or 5000
local function sum(...)
  local s = 0
  for i = 1, select("#", ...) do s = s + (select(i, ...)) end
  return s
end
local function packed(...) local t = table.pack(...) local s = 0 for i = 1, t.n do s = s + t[i] end return s end
local function pass(...) return ... end
local function tail(first, ...) if first == nil then return 0 end return first + tail(...) end
local function minmax(...) return math.min(...), math.max(...) end
local total = 0
for i = 1, N do
  total = total + sum(i, 1, 2) + packed(i, pass(3, 4)) + tail(1, 2, 3, i)
  local low, high = minmax(i, 5, 7)
  total = total + high - low
end
local expected = 0
for i = 1, N do expected = expected + 3 * i + 16 + math.max(i, 7) - math.min(i, 5) end
assert(total == expected)
print(total)
