-- One-way constraints with strengths, propagated through a chain and a fan: many small objects of several classes.
local N = tonumber(arg and arg[1]) or 300
local function class(parent)
  local c = {}
  c.__index = c
  return setmetatable(c, {__index = parent, __call = function(cls, ...)
    local o = setmetatable({}, cls)
    o:init(...)
    return o
  end})
end
local REQUIRED, STRONG, NORMAL, WEAK, WEAKEST = 1, 2, 3, 4, 5
local Variable = class()
function Variable:init(value) self.value = value; self.constraints = {}; self.determined_by = nil; self.mark = 0; self.strength = WEAKEST; self.stay = true end
local Constraint = class()
function Constraint:init(strength) self.strength = strength; self.satisfied = false end
function Constraint:attach() for _, v in ipairs(self:variables()) do v.constraints[#v.constraints + 1] = self end end
local Stay = class(Constraint)
function Stay:init(v, strength) Constraint.init(self, strength); self.output = v; self:attach() end
function Stay:variables() return {self.output} end
function Stay:inputs_known() return true end
function Stay:execute() end
local Edit = class(Stay)
local Scale = class(Constraint)
function Scale:init(source, factor, offset, target, strength)
  Constraint.init(self, strength)
  self.source, self.factor, self.offset, self.output = source, factor, offset, target
  self:attach()
end
function Scale:variables() return {self.source, self.factor, self.offset, self.output} end
function Scale:inputs_known(mark) return self.source.mark == mark or self.source.stay or self.source.determined_by == nil end
function Scale:execute() self.output.value = self.source.value * self.factor.value + self.offset.value end
local Equality = class(Constraint)
function Equality:init(a, b, strength) Constraint.init(self, strength); self.source, self.output = a, b; self:attach() end
function Equality:variables() return {self.source, self.output} end
function Equality:inputs_known(mark) return self.source.mark == mark or self.source.determined_by == nil end
function Equality:execute() self.output.value = self.source.value end
local Planner = class()
function Planner:init() self.mark = 0 end
function Planner:add(c)
  local v = c.output
  if v.determined_by == nil or c.strength < v.determined_by.strength then
    if v.determined_by then v.determined_by.satisfied = false end
    v.determined_by = c
    v.strength = c.strength
    c.satisfied = true
  end
end
function Planner:plan_from(v)
  self.mark = self.mark + 1
  local mark = self.mark
  local plan, todo, first = {}, {v}, 1
  v.mark = mark
  while first <= #todo do
    local here = todo[first]
    first = first + 1
    for _, c in ipairs(here.constraints) do
      if c.satisfied and c.output ~= here and c.output.mark ~= mark and c:inputs_known(mark) then
        plan[#plan + 1] = c
        c.output.mark = mark
        todo[#todo + 1] = c.output
      end
    end
  end
  return plan
end
local function change(planner, v, value)
  local edit = Edit(v, REQUIRED)
  planner:add(edit)
  v.value = value
  for _, c in ipairs(planner:plan_from(v)) do c:execute() end
  table.remove(v.constraints)
  v.determined_by = nil
end
local function chain(n)
  local planner = Planner()
  local variables = {}
  for i = 1, n do variables[i] = Variable(0) end
  for i = 2, n do planner:add(Equality(variables[i - 1], variables[i], REQUIRED)) end
  planner:add(Stay(variables[n], WEAK))
  for value = 1, 10 do
    change(planner, variables[1], value)
    assert(variables[n].value == value)
  end
end
local function fan(n)
  local planner = Planner()
  local factor, offset = Variable(10), Variable(1000)
  local sources, targets = {}, {}
  for i = 1, n do
    sources[i], targets[i] = Variable(i), Variable(i)
    planner:add(Scale(sources[i], factor, offset, targets[i], REQUIRED))
  end
  local sum = 0
  for i = 1, n do
    change(planner, sources[i], i * 2)
    assert(targets[i].value == i * 20 + 1000)
    sum = sum + targets[i].value
  end
  change(planner, factor, 5)
  for i = 1, n do assert(targets[i].value == i * 10 + 1000) end
  return sum
end
chain(N)
print(fan(N))
