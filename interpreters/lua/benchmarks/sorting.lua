-- Sorts with comparators of several kinds: the library's sort, and quicksort and heapsort in Lua.
local N = tonumber(arg and arg[1]) or 2000
local seed = 1
local function random() seed = (seed * 16807) % 2147483647 return seed end
local function quicksort(t, lo, hi, before)
  while lo < hi do
    local pivot, i, j = t[(lo + hi) // 2], lo, hi
    repeat
      while before(t[i], pivot) do i = i + 1 end
      while before(pivot, t[j]) do j = j - 1 end
      if i <= j then t[i], t[j] = t[j], t[i]; i = i + 1; j = j - 1 end
    until i > j
    if j - lo < hi - i then quicksort(t, lo, j, before); lo = i else quicksort(t, i, hi, before); hi = j end
  end
end
local function heapsort(t, n)
  local function sift(lo, hi)
    local root = lo
    while root * 2 <= hi do
      local child = root * 2
      if child < hi and t[child] < t[child + 1] then child = child + 1 end
      if t[root] >= t[child] then return end
      t[root], t[child] = t[child], t[root]
      root = child
    end
  end
  for i = n // 2, 1, -1 do sift(i, n) end
  for i = n, 2, -1 do t[1], t[i] = t[i], t[1]; sift(1, i - 1) end
end
local records, numbers, plain = {}, {}, {}
for i = 1, N do
  local k = random() % 1000
  records[i] = {key = k, name = "n" .. random() % 100}
  numbers[i], plain[i] = k, k
end
table.sort(records, function(a, b) if a.key ~= b.key then return a.key < b.key end return a.name < b.name end)
quicksort(numbers, 1, N, function(a, b) return a < b end)
heapsort(plain, N)
for i = 1, N do assert(records[i].key == numbers[i] and numbers[i] == plain[i]) end
for i = 2, N do assert(numbers[i - 1] <= numbers[i]) end
print(numbers[1], numbers[N // 2], numbers[N])
