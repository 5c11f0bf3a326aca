-- Upvalues: shared, fresh for each iteration, and through several levels.
local function counter()
  local n = 0
  return function() n = n + 1; return n end, function() return n end
end
local inc, get = counter()
inc(); inc()
print(get())
local inc2, get2 = counter()
print(inc2(), get2(), get())
local fs = {}
for i = 1, 3 do
  local j = i * 10
  fs[i] = function(d) j = j + (d or 0); return i, j end
end
print(fs[1](1)); print(fs[1](1)); print(fs[2]())
local k = 1
local gs = {}
while k <= 3 do local v = k; gs[k] = function() v = v + 1; return v end; k = k + 1 end
print(gs[1](), gs[1](), gs[3]())
local function outer()
  local x = 1
  local function middle()
    local function inner() x = x + 1; return x end
    return inner
  end
  return middle(), function() return x end
end
local a, b = outer()
print(a(), a(), b())
-- recursion through a local function, and mutual recursion
local function fact(n) return n <= 1 and 1 or n * fact(n - 1) end
print(fact(20), fact(21))
local even, odd
function even(n) if n == 0 then return true end return odd(n - 1) end
function odd(n) if n == 0 then return false end return even(n - 1) end
print(even(1001), odd(1001))
-- parameters that closures change
local function param(p) local function set(v) p = v end; set(p * 2); return p end
print(param(21))
-- a loop with goto makes new variables
do
  local t, i = {}, 1
  ::top::
  local v = i
  t[i] = function() v = v + 100; return v end
  i = i + 1
  if i <= 3 then goto top end
  print(t[1](), t[1](), t[2](), t[3]())
end
-- varargs in closures
local function bind(f, ...)
  local args = table.pack(...)
  return function(...) return f(table.unpack(args, 1, args.n), ...) end
end
print(bind(math.max, 1, 5)(3))
print((function(...) return select('#', ...) end)(nil, nil, nil))
local function v0(...) local a, b, c = ...; return c, b, a end
print(v0(1, 2)); print(v0(1, 2, 3, 4)); print((v0(1, 2, 3)))
print(select(-1, 1, 2, 3), select(2, "a", "b", "c"))
print(pcall(select, 0))
local t = {v0(1, 2, 3), v0(4, 5, 6)}
print(#t, t[1], t[2], t[3], t[4])
print((...), select('#', ...))
-- multiple assignment evaluates first
local i, arr = 1, {}
i, arr[i] = i + 1, 20
print(i, arr[1], arr[2])
local p, q = 1, 2
p, q = q, p
print(p, q)
local m, n, o = (function() return 1, 2, 3 end)()
print(m, n, o)
local m2, n2 = ((function() return 1, 2 end)())
print(m2, n2)
-- repeat sees its body's locals
local r = 0
repeat local done = r >= 3; r = r + 1 until done
print(r)
local env = setmetatable({}, {__index = _G})
local chunk = load("x = 1; y = x + 1; return x, y, _ENV ~= nil", "c", "t", env)
print(chunk()); print(env.x, env.y, rawget(_G, "x"))
do local _ENV = {print = print}; z = 5; print(z, _ENV.z) end
local function sandbox(_ENV) w = 7; return w end
print(sandbox({}), w)
