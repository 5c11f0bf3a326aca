-- All permutations by a coroutine, counted and checked.
local N = tonumber(arg and arg[1]) or 7
local function permgen(a, n)
  if n <= 1 then coroutine.yield(a) return end
  for i = 1, n do
    a[n], a[i] = a[i], a[n]
    permgen(a, n - 1)
    a[n], a[i] = a[i], a[n]
  end
end
local function permutations(n)
  local a = {}
  for i = 1, n do a[i] = i end
  return coroutine.wrap(function() permgen(a, n) end)
end
local count, sum = 0, 0
for p in permutations(N) do
  count = count + 1
  sum = sum + p[1] * p[N]
end
local f = 1
for i = 2, N do f = f * i end
assert(count == f)
print(count, sum)
