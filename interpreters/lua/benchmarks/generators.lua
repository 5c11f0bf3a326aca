-- Coroutines as generators: a pipeline of filters that finds primes, and a tree walked from outside.
local N = tonumber(arg and arg[1]) or 60
local function numbers() return coroutine.wrap(function() for i = 2, math.huge do coroutine.yield(i) end end) end
local function filter(p, g) return coroutine.wrap(function() while true do local n = g() if n % p ~= 0 then coroutine.yield(n) end end end) end
local g, primes = numbers(), {}
for i = 1, N do
  local p = g()
  primes[i] = p
  g = filter(p, g)
end
assert(primes[10] == 29 and (N < 60 or primes[60] == 281))
local function build(d) if d == 0 then return nil end return {left = build(d - 1), value = d, right = build(d - 1)} end
local function walk(t) if t then walk(t.left) coroutine.yield(t.value) walk(t.right) end end
local sum = 0
for v in coroutine.wrap(function() walk(build(10)) end) do sum = sum + v end
assert(sum == 2036)
print(primes[N], sum)
