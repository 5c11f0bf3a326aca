-- A branch that one iteration in six takes, at random: the first recording is of the rare way in one process of six.
local passes, k, total, seed = ...
local x, y = 1.0, 2.0
for i = 1, passes do
  seed = (seed * 1103515245 + 1) & 2147483647
  local bits = seed >> 16
  if bits % 6 == 0 then
    x = (x + 0.25) * 0.5
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
