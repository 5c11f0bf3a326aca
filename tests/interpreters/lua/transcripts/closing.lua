local log = {}
local function C(n) return setmetatable({}, {__close = function(_, e) log[#log + 1] = n .. (e and "!" or "") end}) end
local function show(what) print(what, table.concat(log, " ")) log = {} end
local function ends() local a <close> = C("a") local b <close> = C("b") end
ends() show("end of function")
local function tail_if(i) local a <close> = C("a" .. i) if i % 2 == 0 then error("x", 0) end end
for i = 1, 4 do pcall(tail_if, i) end show("end or error")
local function arguments(p, ...) local a <close> = C(p) local n <const> = select("#", ...) end
arguments("p", 1, 2) show("with parameters")
local function mixed() local a <close> = C("a") do local b <close> = C("b") end log[#log + 1] = "between" end
mixed() show("nested")
local function loops() for i = 1, 2 do local a <close> = C("l" .. i) if i == 2 then break end end local z <close> = C("z") end
loops() show("loops")
local function jumps() local i = 0 ::again:: do local a <close> = C("j" .. i) i = i + 1 if i < 3 then goto again end end local e <close> = C("e") end
jumps() show("goto")
local function repeats() local n = 0 repeat local a <close> = C("r" .. n) n = n + 1 until n > 2 end
repeats() show("repeat")
local f = load([[local C = ... local a <close> = C("chunk")]]) f(C) show("chunk")
local co = coroutine.wrap(function() local a <close> = C("co") coroutine.yield(1) end) co() show("yielded") co() show("ended")

local function returned() local a <close> = C("r") return #log, C end
print((returned())) show("return")
local function while_in() local k = 0 while k < 2 do k = k + 1 do local w <close> = C("w" .. k) if k == 1 then goto cont end log[#log + 1] = "body" end ::cont:: end end while_in() show("while")
