-- Shortest paths and connected parts of a graph, with a heap, sets and loops.
local N = tonumber(arg and arg[1]) or 400
local seed = 7
local function random(n) seed = (seed * 16807) % 2147483647; return seed % n + 1 end
local edges = {}
for i = 1, N do edges[i] = {} end
for i = 1, N * 4 do
  local a, b, w = random(N), random(N), random(100)
  edges[a][b] = w
  edges[b][a] = w
end
local function push(heap, item)
  local i = #heap + 1
  heap[i] = item
  while i > 1 do
    local p = i // 2
    if heap[p].cost <= heap[i].cost then break end
    heap[p], heap[i] = heap[i], heap[p]
    i = p
  end
end
local function pop(heap)
  local top, n = heap[1], #heap
  heap[1] = heap[n]
  heap[n] = nil
  n = n - 1
  local i = 1
  while true do
    local c = i * 2
    if c > n then break end
    if c < n and heap[c + 1].cost < heap[c].cost then c = c + 1 end
    if heap[i].cost <= heap[c].cost then break end
    heap[c], heap[i] = heap[i], heap[c]
    i = c
  end
  return top
end
local function shortest(from)
  local distance, heap = {[from] = 0}, {{node = from, cost = 0}}
  while #heap > 0 do
    local item = pop(heap)
    if item.cost == distance[item.node] then
      for to, w in pairs(edges[item.node]) do
        local cost = item.cost + w
        if not distance[to] or cost < distance[to] then
          distance[to] = cost
          push(heap, {node = to, cost = cost})
        end
      end
    end
  end
  return distance
end
local d1 = shortest(1)
local sum, reached = 0, 0
for node, d in pairs(d1) do sum = sum + d; reached = reached + 1 end
for _ = 1, 5 do
  local k = random(N)
  if d1[k] then assert(shortest(k)[1] == d1[k]) end
end
print(reached, sum)
