-- The sieve of Eratosthenes.
local N = tonumber(arg and arg[1]) or 100000
local composite, count = {}, 0
for i = 1, N do composite[i] = false end
for i = 2, N do
  if not composite[i] then
    count = count + 1
    for j = i * i, N, i do composite[j] = true end
  end
end
local known = {[1000] = 168, [10000] = 1229, [100000] = 9592, [1000000] = 78498}
assert(not known[N] or count == known[N])
print(count)
