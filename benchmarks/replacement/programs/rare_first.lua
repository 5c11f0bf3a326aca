-- The first twentieth of the run goes one way, the rest another one, which does float work.
local passes, k, total, seed = ...
local x, y = 1.0, 2.0
local rare = k * 20 < total
for i = 1, passes do
  if rare then
    k = k + 0
  else
    local a = x * 0.5
    x = a + 0.25
    local b = y * 0.5
    y = b + x
    a = x * y
    y = (a - 0.25) * 0.25
  end
end
return x + y
