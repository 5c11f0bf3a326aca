-- Two programs in sequence through the same loop: the first half of the run adds integers, the second one floats.
local passes, k, total, seed = ...
local x, y = 1.0, 2.0
local one, three = 1.0, 3.0
if k * 2 < total then
  x, y, one, three = 1, 2, 1, 3
end
for i = 1, passes do
  local a = x + three
  local b = a - one
  x = b + y - a
  y = y + three - one
  a = y + x
  y = a - x
end
return x + y
