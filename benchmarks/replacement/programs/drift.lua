-- A branch whose bias drifts and comes back: one way in 31 of 32 iterations, then the other one, four phases of a run.
local passes, k, total, seed = ...
local x, y = 1.0, 2.0
local odd = k * 4 // total % 2 == 1
for i = 1, passes do
  seed = (seed * 1103515245 + 1) & 2147483647
  local bits = seed >> 16
  local often = bits & 31 ~= 0
  if often ~= odd then
    local a = x * 0.5
    x = a + 0.25
    local b = y * 0.5
    y = b + x
    a = x * y
    y = (a - 0.25) * 0.25
  else
    local a = (x * 0.5 + 0.25) * 0.25
    y = (y + a) * 0.5
  end
end
return x + y
