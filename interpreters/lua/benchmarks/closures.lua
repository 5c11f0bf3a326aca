-- Functions made of functions: composition, currying, counters, memoization.
local N = tonumber(arg and arg[1]) or 20000
local function compose(f, g) return function(x) return f(g(x)) end end
local function curry(f) return function(a) return function(b) return f(a, b) end end end
local function counter() local n = 0 return {add = function(k) n = n + k return n end, get = function() return n end} end
local function map(t, f) local r = {} for i = 1, #t do r[i] = f(t[i]) end return r end
local function reduce(t, f, acc) for i = 1, #t do acc = f(acc, t[i]) end return acc end
local inc, double = function(x) return x + 1 end, function(x) return x * 2 end
local both = compose(inc, compose(double, inc))
local add = curry(function(a, b) return a + b end)
local c = counter()
local total = 0
for i = 1, N do
  total = total + both(i) - add(i)(3)
  c.add(i & 3)
end
assert(c.get() == reduce(map({N // 4 * 4}, function(n) return n // 4 * 6 end), function(a, b) return a + b end, 0) + (N % 4) * (N % 4 + 1) // 2)
local memo = {}
local function fib(n) if n < 2 then return n end local m = memo[n] if m then return m end m = fib(n - 1) + fib(n - 2) memo[n] = m return m end
assert(fib(80) == 23416728348467685)
print(total, c.get())
