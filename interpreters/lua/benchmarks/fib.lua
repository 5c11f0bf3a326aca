-- Calls, and nothing else.
local N = tonumber(arg and arg[1]) or 23
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
local a, b = 0, 1
for _ = 1, N do a, b = b, a + b end
local result = fib(N)
assert(result == a)
print(result)
