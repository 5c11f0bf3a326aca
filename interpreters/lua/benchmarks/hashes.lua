-- A cache with least-recently-used order, and a sparse matrix.
local N = tonumber(arg and arg[1]) or 10000
local Cache = {} Cache.__index = Cache
function Cache.new(limit)
  local first, last = {}, {}
  first.next, last.prev = last, first
  return setmetatable({limit = limit, size = 0, items = {}, first = first, last = last, hits = 0}, Cache)
end
local function unlink(n) n.prev.next, n.next.prev = n.next, n.prev end
function Cache:front(n)
  local f = self.first
  n.prev, n.next = f, f.next
  f.next.prev = n
  f.next = n
end
function Cache:get(key)
  local n = self.items[key]
  if n then
    self.hits = self.hits + 1
    unlink(n)
    self:front(n)
    return n.value
  end
end
function Cache:put(key, value)
  if self.size >= self.limit then
    local old = self.last.prev
    unlink(old)
    self.items[old.key] = nil
    self.size = self.size - 1
  end
  local n = {key = key, value = value}
  self.items[key] = n
  self:front(n)
  self.size = self.size + 1
end
local cache, seed = Cache.new(100), 99
for i = 1, N do
  seed = (seed * 16807) % 2147483647
  local key = "k" .. seed % 150
  if not cache:get(key) then cache:put(key, i) end
end
assert(cache.size == 100 and cache.hits > N // 2)
local sparse, stored = {}, 0
for i = 1, N do
  local row, col = i * 7 % 1000, i * 13 % 997
  local r = sparse[row]
  if not r then r = {}; sparse[row] = r end
  if not r[col] then stored = stored + 1 end
  r[col] = (r[col] or 0) + i
end
local sum = 0
for _, r in pairs(sparse) do for _, v in pairs(r) do sum = sum + v end end
assert(sum == N * (N + 1) // 2)
print(cache.hits, stored)
