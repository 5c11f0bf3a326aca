-- Library functions that call functions again and again: results, errors on their way out, yields, depth.
local seed = 7
local function random(n) seed = (seed * 16807) % 2147483647 return seed % n end
for n = 0, 24 do
  local up, down = {}, {}
  for i = 1, n do up[i] = random(20) down[i] = up[i] end
  table.sort(up) table.sort(down, function(a, b) return a > b end)
  for i = 1, n do assert(up[i] == down[n + 1 - i]) end
end
local by_value = {__lt = function(a, b) return a.value < b.value end}
local boxes = {}
for i = 1, 50 do boxes[i] = setmetatable({value = random(100)}, by_value) end
table.sort(boxes)
for i = 2, 50 do assert(boxes[i - 1].value <= boxes[i].value) end
print(pcall(table.sort, {3, 1, 2}, function(a, b) error("at its place") end))
print(pcall(table.sort, {3, 1, 2}, function(a, b) error("at its caller's", 2) end))
print(pcall(table.sort, {3, 1, 2}, function(a, b) error({}) end) == false)
print(xpcall(table.sort, function(m) return "handled: " .. m end, {3, 1, 2}, function(a, b) local x return x.y end))
print(coroutine.wrap(function() return pcall(table.sort, {3, 1, 2}, function(a, b) coroutine.yield(1) end) end)())
print(pcall(table.sort, {3, 1, 2}, function(a, b) coroutine.yield(1) end))
local co = coroutine.wrap(function()
  for i = 1, 3 do
    local t = {3, 1, 2}
    table.sort(t, function(a, b) return a < b end)
    coroutine.yield(i, table.concat(t, ","))
  end
end)
print(co()) print(co()) print(co())
local flip = coroutine.wrap(function() while true do coroutine.yield(true) coroutine.yield(false) end end)
local t = {5, 3, 1, 4, 2}
table.sort(t, function(a, b) flip() return a < b end)
print(table.concat(t, " "))
local closed = {}
local function closing(what) return setmetatable({}, {__close = function(_, e) closed[#closed + 1] = what .. ": " .. tostring(e) end}) end
print(pcall(table.sort, {3, 1, 2}, function(a, b) local c <close> = closing("inner") error("boom", 0) end))
print(pcall(function()
  local c <close> = closing("outer")
  local s = ("ab"):gsub(".", function() local d <close> = closing("in gsub") error("bang", 0) end)
end))
print(table.concat(closed, " | "))
print(pcall(table.sort, {3, 1, 2}, function() local c <close> = setmetatable({}, {__close = function() error("instead", 0) end}) error("boom", 0) end))
local function nested(n) if n == 0 then return 0 end local t = {2, 1} local r table.sort(t, function(a, b) r = nested(n - 1) return a < b end) return r + t[1] end
print(nested(40))
print((pcall(function() local function down() table.sort({2, 1}, function() down() end) end down() end)))
print(string.gsub("abc def", "(%w)(%w)", function(a, b) if a == "d" then return nil end return b .. a end))
print(string.gsub("ab", "()", function(p) return p end))
print(string.gsub("a1b2c3", "%d", {["1"] = "x", ["2"] = false}))
print(string.gsub("a1b2c3", "%d", function(d) return d + 0.5 end, 2))
print(string.gsub("abc", "b", error, 0))
print(string.gsub("hello world", "%w+", "%0 %0", 1))
print(string.gsub("", "", function() return "-" end))
print(pcall(string.gsub, "abc", ".", function(c) return {} end))
print(pcall(string.gsub, "abc", ".", function(c) error("in gsub " .. c) end))
print(pcall(string.gsub, "abc", "%w", setmetatable({}, {__index = function(_, k) if k == "c" then error("no c") end return k .. k end})))
print(string.gsub("abc", "%w", setmetatable({}, {__index = function(_, k) return k .. k end})))
local words = {}
for round = 1, 3 do for w, p in string.gmatch("one two  three", "(%a+)()") do words[#words + 1] = w .. p end end
print(table.concat(words, " "))
print(table.concat({1, 2.5, "x"}, "-"), table.concat({}, "x"), table.concat({"a", "b", "c"}, ", ", 2), table.concat({"a", "b"}, ",", 2, 2))
print(pcall(table.concat, {1, {}, 3})) print(pcall(table.concat, {"a", nil, "c"}, ",", 1, 3)) print(pcall(table.concat, {"a"}, ",", 1, 2))
local sum = 0
for round = 1, 60 do
  local u = {}
  for i = 1, 20 do u[i] = {random(9), random(9)} end
  table.sort(u, function(a, b) if a[1] ~= b[1] then return a[1] < b[1] end return a[2] < b[2] end)
  for i = 2, 20 do assert(u[i - 1][1] < u[i][1] or (u[i - 1][1] == u[i][1] and u[i - 1][2] <= u[i][2])) end
  sum = sum + u[1][1] + #(("%d %d"):format(u[20][1], u[20][2]):gsub("%d", function(d) return ("x"):rep(tonumber(d)) end))
end
print(sum)
