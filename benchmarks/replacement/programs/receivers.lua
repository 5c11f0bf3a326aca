-- A call whose receiver is of another class in each phase of the run.
local Square, Circle, Strip = {}, {}, {}
Square.__index, Circle.__index, Strip.__index = Square, Circle, Strip
function Square:area() return self.side * self.side end
function Circle:area() return self.radius * self.radius * 3.25 end
function Strip:area() return self.width * 2.5 + 2.5 end
local passes, k, total, seed = ...
local x, y = 1.0, 2.0
local phase = k * 3 // total
local shape
if phase == 0 then
  shape = setmetatable({side = 0.5}, Square)
elseif phase == 1 then
  shape = setmetatable({radius = 0.5}, Circle)
else
  shape = setmetatable({width = 0.5}, Strip)
end
for i = 1, passes do
  local a = shape:area()
  x = (x + a) * 0.5
  y = x * 0.25 + a
end
return x + y
