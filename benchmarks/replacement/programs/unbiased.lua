-- A branch that is taken in every second iteration, at random, and one with eight ways that are equally likely.
local passes, k, total, seed = ...
local x, y = 1.0, 2.0
for i = 1, passes do
  seed = (seed * 1103515245 + 1) & 2147483647
  local bits = seed >> 16
  if bits & 8 == 0 then
    x = (x + 0.25) * 0.5
  else
    y = y * 0.5 + 0.25
  end
  local way = bits & 7
  if way == 0 then
    x = x * 0.5
  elseif way == 1 then
    x = x * 0.5 + 0.1
  elseif way == 2 then
    x = x * 0.5 + 0.2
  elseif way == 3 then
    x = x * 0.5 + 0.3
  elseif way == 4 then
    x = x * 0.5 + 0.4
  elseif way == 5 then
    x = x * 0.5 + 0.5
  elseif way == 6 then
    x = x * 0.5 + 0.6
  else
    x = (x + 0.5) * 0.5
  end
end
return x + y
