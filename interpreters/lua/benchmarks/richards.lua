-- Tasks that pass packets to each other, run by a scheduler: objects with states and methods.
local ROUNDS = tonumber(arg and arg[1]) or 30
local Packet = {} Packet.__index = Packet
function Packet.new(link, id, kind)
  return setmetatable({link = link, id = id, kind = kind, datum = 0, data = {0, 0, 0, 0}}, Packet)
end
function Packet:append_to(queue)
  self.link = nil
  if not queue then return self end
  local last = queue
  while last.link do last = last.link end
  last.link = self
  return queue
end
local DEVICE, WORK = 1, 2
local IDLE, WORKER, HANDLER_A, HANDLER_B, DEVICE_A, DEVICE_B = 1, 2, 3, 4, 5, 6
local Scheduler = {} Scheduler.__index = Scheduler
function Scheduler.new() return setmetatable({tasks = {}, first = nil, queued = 0, held = 0, current = nil}, Scheduler) end
local Task = {} Task.__index = Task
local function subclass(name)
  local class = setmetatable({name = name}, {__index = Task})
  class.__index = class
  return class
end
function Scheduler:add(class, id, priority, queue, waiting, fields)
  local task = setmetatable({scheduler = self, id = id, priority = priority, queue = queue, link = self.first,
    has_packet = queue ~= nil, is_waiting = waiting, is_held = false}, class)
  for k, v in pairs(fields) do task[k] = v end
  self.first = task
  self.tasks[id] = task
  return task
end
function Scheduler:loop()
  self.current = self.first
  while self.current do
    local task = self.current
    if task:is_held_or_suspended() then
      self.current = task.link
    else
      self.current = task:run_packet()
    end
  end
end
function Scheduler:hold() self.held = self.held + 1; self.current.is_held = true; return self.current.link end
function Scheduler:release(id)
  local task = self.tasks[id]
  task.is_held = false
  if task.priority > self.current.priority then return task end
  return self.current
end
function Scheduler:wait() self.current.is_waiting = true; return self.current end
function Scheduler:send(packet)
  local task = self.tasks[packet.id]
  self.queued = self.queued + 1
  packet.link = nil
  packet.id = self.current.id
  return task:receive(packet, self.current)
end
function Task:is_held_or_suspended() return self.is_held or (self.is_waiting and not self.has_packet) end
function Task:receive(packet, sender)
  if not self.queue then
    self.queue = packet
    self.has_packet = true
    if self.priority > sender.priority then return self end
  else
    self.queue = packet:append_to(self.queue)
  end
  return sender
end
function Task:run_packet()
  local packet
  if self.is_waiting and self.has_packet then
    packet = self.queue
    self.queue = packet.link
    self.is_waiting = false
    self.has_packet = self.queue ~= nil
  end
  return self:run(packet)
end
local Idle, Worker, Handler, Device = subclass("idle"), subclass("worker"), subclass("handler"), subclass("device")
function Idle:run()
  self.count = self.count - 1
  if self.count == 0 then return self.scheduler:hold() end
  if self.control & 1 == 0 then
    self.control = self.control >> 1
    return self.scheduler:release(DEVICE_A)
  end
  self.control = (self.control >> 1) ~ 0xD008
  return self.scheduler:release(DEVICE_B)
end
function Worker:run(packet)
  if not packet then return self.scheduler:wait() end
  self.destination = self.destination == HANDLER_A and HANDLER_B or HANDLER_A
  packet.id = self.destination
  packet.datum = 1
  for i = 1, 4 do
    self.letter = self.letter % 26 + 1
    packet.data[i] = 64 + self.letter
  end
  return self.scheduler:send(packet)
end
function Handler:run(packet)
  if packet then
    if packet.kind == WORK then self.work = packet:append_to(self.work) else self.devices = packet:append_to(self.devices) end
  end
  local work = self.work
  if work then
    if work.datum > 4 then
      self.work = work.link
      return self.scheduler:send(work)
    elseif self.devices then
      local device = self.devices
      self.devices = device.link
      device.datum = work.data[work.datum]
      work.datum = work.datum + 1
      return self.scheduler:send(device)
    end
  end
  return self.scheduler:wait()
end
function Device:run(packet)
  if packet then
    self.pending = packet
    return self.scheduler:hold()
  end
  local pending = self.pending
  if not pending then return self.scheduler:wait() end
  self.pending = nil
  return self.scheduler:send(pending)
end
local function run_once(count)
  local s = Scheduler.new()
  s:add(Idle, IDLE, 0, nil, false, {control = 1, count = count})
  s:add(Worker, WORKER, 1000, Packet.new(Packet.new(nil, WORKER, WORK), WORKER, WORK), true, {destination = HANDLER_A, letter = 0})
  for _, h in ipairs{{HANDLER_A, DEVICE_A, 2000}, {HANDLER_B, DEVICE_B, 3000}} do
    local q
    for _ = 1, 3 do q = Packet.new(q, h[2], DEVICE) end
    s:add(Handler, h[1], h[3], q, true, {})
  end
  s:add(Device, DEVICE_A, 4000, nil, true, {})
  s:add(Device, DEVICE_B, 5000, nil, true, {})
  s:loop()
  return s.queued, s.held
end
local queued, held
for _ = 1, ROUNDS do
  local q, h = run_once(1000)
  assert(not queued or (q == queued and h == held))
  queued, held = q, h
end
assert(queued > 100 and held > 10)
print(queued, held)
