-- Makes and counts many small trees.
local DEPTH = tonumber(arg and arg[1]) or 10
local function bottom_up(depth)
  if depth > 0 then
    depth = depth - 1
    local left, right = bottom_up(depth), bottom_up(depth)
    return {left, right}
  end
  return {}
end
local function check(tree)
  if tree[1] then return 1 + check(tree[1]) + check(tree[2]) end
  return 1
end
local long = bottom_up(DEPTH)
local total = 0
for depth = 4, DEPTH, 2 do
  local iterations = 1 << (DEPTH - depth + 4)
  local sum = 0
  for _ = 1, iterations do sum = sum + check(bottom_up(depth)) end
  assert(sum == iterations * ((1 << (depth + 1)) - 1))
  total = total + sum
end
assert(check(long) == (1 << (DEPTH + 1)) - 1)
print(total)
