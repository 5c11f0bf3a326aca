-- A linked list and a binary search tree, with classes, inheritance and iterators.
local N = tonumber(arg and arg[1]) or 3000
local List = {} List.__index = List
function List.new() return setmetatable({head = nil, size = 0}, List) end
function List:push(v) self.head = {value = v, next = self.head}; self.size = self.size + 1; return self end
function List:each() local node = self.head; return function() if node then local v = node.value; node = node.next; return v end end end
function List:map(f) local r = List.new(); for v in self:each() do r:push(f(v)) end return r end
function List:fold(f, acc) for v in self:each() do acc = f(acc, v) end return acc end
local Sorted = setmetatable({}, {__index = List}) Sorted.__index = Sorted
function Sorted.new() return setmetatable(List.new(), Sorted) end
function Sorted:push(v)
  self.size = self.size + 1
  local node = self.head
  if not node or v <= node.value then self.head = {value = v, next = node} return self end
  while node.next and node.next.value < v do node = node.next end
  node.next = {value = v, next = node.next}
  return self
end
local Tree = {} Tree.__index = Tree
function Tree.new() return setmetatable({count = 0}, Tree) end
function Tree:insert(key)
  if not self.root then self.root = {key = key}; self.count = 1; return end
  local node = self.root
  while true do
    if key == node.key then return end
    local side = key < node.key and "left" or "right"
    if not node[side] then node[side] = {key = key}; self.count = self.count + 1; return end
    node = node[side]
  end
end
local function visit(node, f) if node then visit(node.left, f); f(node.key); visit(node.right, f) end end
local list, tree, seed = List.new(), Tree.new(), 42
for i = 1, N do
  seed = (seed * 1103515245 + 12345) % 2147483648
  list:push(seed % 10007)
  tree:insert(seed % 10007)
end
local doubled = list:map(function(v) return v * 2 end)
local sum = list:fold(function(a, b) return a + b end, 0)
assert(doubled:fold(function(a, b) return a + b end, 0) == 2 * sum)
local last, n = -1, 0
visit(tree.root, function(k) assert(k > last); last = k; n = n + 1 end)
assert(n == tree.count)
local sorted, items = Sorted.new(), 0
for v in list:each() do items = items + 1; if items > 300 then break end sorted:push(v) end
local previous = -1
for v in sorted:each() do assert(v >= previous); previous = v end
print(sum, n)
