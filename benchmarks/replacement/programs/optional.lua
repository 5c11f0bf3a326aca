-- Three optional arguments that are nil in some iterations, in eight combinations.
local function combine(p, q, r)
  local s = 0.5
  if p then s = s + p end
  if q then s = s * q end
  if r then s = s + r end
  return s * 0.5
end
local passes, k, total, seed = ...
local x, y = 1.0, 2.0
for i = 1, passes do
  seed = (seed * 1103515245 + 1) & 2147483647
  local bits = seed >> 16
  local p = bits & 1 ~= 0 and 0.5 or nil
  local q = bits & 2 ~= 0 and 0.5 or nil
  local r = bits & 4 ~= 0 and 0.5 or nil
  x = (x + combine(p, q, r)) * 0.5
end
return x + y
