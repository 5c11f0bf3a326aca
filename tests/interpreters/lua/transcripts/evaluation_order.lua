-- what a call in the other operand assigns to a local variable of the same function
local n = 1
local function set(v, r) n = v return r end
print(n + set(10, 1), n)
print((n) * set(3, 2), n < set(5, 4), n == set(6, 6), n .. set(7, "x"), n | set(8, 1))
print(set(2, 1) - n, -n + set(4, 1), n + n + set(9, 1))
local s = 0
local function add(v) s = s + v return v end
for i = 1, 100 do s = s + add(i) end
print(s)
local t, u = {1, 2, 3}, {10, 20, 30}
local v = t
local function swap(k) v = v == t and u or t return k end
print(v[swap(1)], v[swap(2)], v[swap(3)])
v[swap(1)] = 5
v[2] = swap(7)
v.x = swap("y")
print(t[1], u[1], t[2], u[2], t.x, u.x)
local k = 1
local function step(r) k = k + 1 return r end
t[k] = step("a")
t[k] = t[k] .. step("b") .. k
print(t[1], t[2], t[3], k)
local m = {name = "m", f = function(self, x) return self.name .. x end}
local o = m
print(o:f((function() o = nil return 1 end)()), o)
local function args(...) return ... end
print(args(n, set(100, n), n))
print((function() local q = 1 local function w() q = 2 return q end return q, w(), q end)())
local x = 5
local c = x > (function() x = 1 return 3 end)() and "greater" or "less"
print(c, x)
while x < (function() x = x + 1 return 4 end)() do end
print(x)
