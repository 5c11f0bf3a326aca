-- Calls as they are left: by results of every count, errors, tail calls, coroutines and depth.
local function none() end
local function one(x) return x end
local function two(x) return x, x + 1 end
local function many(...) return ... end
local function rounds(f) for i = 1, 3 do f(i) end end
rounds(function(i)
  local a, b, c = none()
  print(i, a, b, c, none())
  a, b, c = one(i)
  print(a, b, c, one(i), (one(i)))
  a, b, c = two(i)
  print(a, b, c, two(i), (two(i)))
  a, b, c = many(i, nil, i)
  print(a, b, c, many(), select("#", many(nil, nil)), (many()))
  print(({two(i)})[2], #{none()}, #{two(i), two(i)})
end)

-- where errors say they were raised
local function fail(level) error("failed", level) end
local function middle(level) fail(level) return 1 end
local function outer(level) middle(level) return 1 end
for level = 0, 4 do print(level, pcall(outer, level)) end
local function through(level) local ok, message = pcall(middle, level) return ok, message end
for level = 0, 3 do print(level, through(level)) end
print(pcall(function() outer(2) end))
print(pcall(function() local t = setmetatable({}, {__index = function(_, k) error("no " .. k, 2) end}) return t.x end))
print(select(2, pcall(function() local x = one(nil) return x.y end)))
print(select(2, pcall(function() return one(1) + one({}) end)))
print(pcall(error, {}) == false, pcall(error))
local function rethrow() local ok, e = pcall(outer, 1) error(e, 0) end
print(pcall(rethrow))
local errors = setmetatable({}, {__tostring = function() return "an object" end})
print(select(2, pcall(function() one(1) middle2 = function() error(errors) end middle2() end)) == errors)

-- handlers see the stack of the error
print(xpcall(outer, debug.traceback, 1))
print(xpcall(function() rounds(function(i) if i == 2 then outer(1) end end) end, debug.traceback))
print(xpcall(function() table.sort({3, 2, 1}, function(a, b) outer(1) end) end, debug.traceback))
print(xpcall(outer, function(m) return "handled: " .. m end, 2))
print(xpcall(outer, function(m) error("again") end, 2))
print(xpcall(function() local ok, m = xpcall(outer, function(m) return "inner " .. m end, 1) print(ok, m) outer(1) end,
  function(m) return "outer " .. m end))

-- variables to be closed, below and above calls
local function closing(name) return setmetatable({}, {__close = function(_, e) print("close " .. name, e) end}) end
local function inner() local a <close> = closing("a") outer(1) end
local function outermost() local b <close> = closing("b") inner() return 1 end
print(pcall(outermost))
print(xpcall(outermost, function(m) print("handler", m) return m end))
local function fine() local c <close> = closing("c") return two(5) end
print(fine())
print(pcall(function() local d <close> = closing("d") one(1) error("in the body") end))
print(pcall(function() local d <close> = setmetatable({}, {__close = function(_, e) print("replacing", e) error("new", 0) end}) inner() end))

-- tail calls and depth
local function count(n) if n == 0 then return "done" end return count(n - 1) end
print(count(3000))
local function even(n) if n == 0 then return true end return odd(n - 1) end
function odd(n) if n == 0 then return false end return even(n - 1) end
print(even(501))
local function depth(n) if n == 0 then return 0 end return 1 + depth(n - 1) end
for _, n in ipairs{10, 190, 198, 199, 200, 201, 202, 250, 2000} do print(n, depth(n)) end
print(pcall(function() local function f() local ok, e = pcall(f) if ok then return 1 end error(e, 0) end return 1 end))

-- coroutines in called functions, and calls in coroutines
local function generate(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(one(i), two(i)) end return "end" end) end
local function consume(n) local g, sum = generate(n), 0 for i = 1, n do local a, b, c = g() sum = sum + a + b + c end return sum, g() end
for i = 1, 4 do print(consume(i * 10)) end
local co = coroutine.create(function(x) local function deep(n) if n == 0 then return coroutine.yield(x) end return (deep(n - 1)) end return deep(300) end)
print(coroutine.resume(co, "yielded")) print(coroutine.resume(co, "result")) print(coroutine.resume(co))
print(coroutine.resume(coroutine.create(function() outer(1) end)))
print(pcall(coroutine.wrap(function() outer(2) end)))
local function in_pcall() return pcall(function() return one(coroutine.yield("from a pcall")) end) end
co = coroutine.wrap(function() return in_pcall() end)
print(co()) print(co("into it"))

-- metamethods are calls
local V = {}
V.__index = function(t, k) return k .. "?" end
V.__add = function(a, b) return one(7) end
V.__call = function(self, ...) return select("#", ...), ... end
V.__lt = function() return 1 end
V.__le = function() return nil end
V.__eq = function() return 1 end
V.__len = function() return two(3) end
V.__concat = function(a, b) return many("c", "d") end
V.__newindex = function(t, k, v) rawset(t, k, many(v, 2)) end
V.__unm = function() return none() end
rounds(function(i)
  local v, w = setmetatable({}, V), setmetatable({}, V)
  v.z = i
  print(v.q, v.z, v + 1, 1 + v, v(i, nil), v < w, v <= w, v == w, v ~= w, #v, v .. 1, 1 .. v, -v, v > w)
end)
for a, b in (function(n) return function(s, c) if c < n then return c + 1, two(c) end end, nil, 0 end)(3) do print(a, b) end
print(xpcall(outer, function(m) error("again") end, 1))
print(xpcall(outer, function(m) local x = m.y.z end, 1))
do -- calls with `...` at the end, of functions with fewer, as many and more parameters
local function three(a, b, c) return a, b, c end
local function anything(...) return select('#', ...), ... end
local function one_and(a, ...) return a, select('#', ...), ... end
local function pass(f, ...) return (f(...)), f(...) end
local function with(f, ...) local a, b, c = f(0, ...) return a, b, c end
local function tail(f, ...) return f(...) end
local function tail1(f, ...) return f("t", ...) end
local function keep(...) local t = {...} t[1] = "changed" local p = table.pack(...) p[1] = "packed" return ..., #t, p.n end
local function show(...) print(select('#', ...), ...) end
for round = 1, 2 do
  for n = 0, 5 do
    local list = {}
    for i = 1, n do list[i] = i * round end
    if n == 3 then list[2] = nil end
    for _, f in ipairs {three, anything, one_and} do
      show(pass(f, table.unpack(list, 1, n)))
      show(with(f, table.unpack(list, 1, n)))
      show(tail(f, table.unpack(list, 1, n)))
      show(tail1(f, table.unpack(list, 1, n)))
    end
    show(keep(table.unpack(list, 1, n)))
    show(pcall(three, table.unpack(list, 1, n)))
    show(coroutine.wrap(function(...) local a = coroutine.yield(...) return a, ... end)(table.unpack(list, 1, n)))
  end
end
end
