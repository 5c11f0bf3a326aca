-- Balls in a box, and a random generator of their own.
local STEPS = tonumber(arg and arg[1]) or 300
local Random = {} Random.__index = Random
function Random.new() return setmetatable({seed = 74755}, Random) end
function Random:next() self.seed = (self.seed * 1309 + 13849) & 65535; return self.seed end
local Ball = {} Ball.__index = Ball
function Ball.new(random)
  return setmetatable({x = random:next() % 500, y = random:next() % 500, vx = random:next() % 300 - 150,
    vy = random:next() % 300 - 150}, Ball)
end
function Ball:bounce()
  local limit_x, limit_y, bounced = 500, 500, false
  self.x = self.x + self.vx
  self.y = self.y + self.vy
  if self.x > limit_x then self.x = limit_x; self.vx = 0 - math.abs(self.vx); bounced = true end
  if self.x < 0 then self.x = 0; self.vx = math.abs(self.vx); bounced = true end
  if self.y > limit_y then self.y = limit_y; self.vy = 0 - math.abs(self.vy); bounced = true end
  if self.y < 0 then self.y = 0; self.vy = math.abs(self.vy); bounced = true end
  return bounced
end
local random = Random.new()
local balls = {}
for i = 1, 100 do balls[i] = Ball.new(random) end
local bounces = 0
for step = 1, STEPS do
  for _, ball in ipairs(balls) do
    if ball:bounce() then bounces = bounces + 1 end
  end
  if step == 50 then assert(bounces == 1331, bounces) end
end
print(bounces)
