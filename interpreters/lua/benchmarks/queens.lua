-- Places queens on a board in all ways.
local N = tonumber(arg and arg[1]) or 7
local solutions, cols, up, down = 0, {}, {}, {}
local function place(row)
  if row > N then solutions = solutions + 1 return end
  for c = 1, N do
    local u, d = row + c, row - c + N
    if not cols[c] and not up[u] and not down[d] then
      cols[c], up[u], down[d] = true, true, true
      place(row + 1)
      cols[c], up[u], down[d] = false, false, false
    end
  end
end
place(1)
local known = {[4] = 2, [5] = 10, [6] = 4, [7] = 40, [8] = 92, [9] = 352, [10] = 724}
assert(not known[N] or solutions == known[N])
print(solutions)
