-- hooks by count and by line
local n = 0
debug.sethook(function(event, line) n = n + 1 assert(event == "count" and line == nil) end, "", 100)
local s = 0
for i = 1, 10000 do s = s + i end
debug.sethook()
print(n > 90, s)
local before = n
for i = 1, 1000 do s = s + i end
print(n == before, debug.gethook())
-- an endless loop is stopped, in a called function, in a coroutine and in a callback
local function guarded(f, limit) local co = coroutine.create(f) debug.sethook(co, function() error("too long", 2) end, "", limit) return coroutine.resume(co) end
local function forever() while true do s = s + 1 end end
print((select(2, guarded(forever, 1000)):gsub("^[^:]*:", "")), select(2, guarded(function() return "quick" end, 1000)))
print(pcall(function() debug.sethook(function() debug.sethook() error("stop", 0) end, "", 500) forever() end))
print(select(2, pcall(function() debug.sethook(function() debug.sethook() error({code = 5}) end, "", 500) table.sort({3, 1, 2}, function(a, b) forever() end) end)).code)
print(debug.gethook())
-- recursion
local depth = 0
local function deep(n) depth = n return deep(n + 1) + 1 end
print(pcall(function() debug.sethook(function() debug.sethook() error("deep", 0) end, "", 300) deep(1) end), depth > 20)
-- lines
local lines = {}
local function traced(f, ...)
  lines = {}
  local first = debug.getinfo(f, "S").linedefined
  debug.sethook(function(event, line) local i = debug.getinfo(2, "Sl") assert(i.currentline == line) lines[#lines + 1] = line - first end, "l")
  f(...)
  debug.sethook()
  table.remove(lines)  -- this line
  print(table.concat(lines, " "))
end
traced(function(a)
  local x = 1
  if a then
    x = x + 1
  else
    x = x - 1
  end
  for i = 1, 2 do
    x = x * i
  end
  local t = {}
  for k, v in pairs({1}) do
    t[k] = v
  end
end, true)
local function callee(n)
  if n > 0 then
    callee(n - 1)
  end
end
traced(function()
  callee(2)
  local i = 0
  repeat i = i + 1 until i > 2
  pcall(error)
end)
local h = function() end
debug.sethook(h, "l", 7) local f, m, c = debug.gethook() debug.sethook() print(f == h, m, c)
print(pcall(debug.sethook, 1, "l"), pcall(debug.sethook, h))
debug.sethook(h, "") print(debug.gethook())
print(coroutine.wrap(function() return debug.gethook() end)())
-- a hook is no hooked function itself, and does not see the program's values change
local calls = 0
debug.sethook(function() calls = calls + 1 for i = 1, 1000 do end end, "", 50)
local product = 1 for i = 1, 500 do product = product * 3 % 1000003 end
debug.sethook()
print(product, calls > 5 and calls < 100)
