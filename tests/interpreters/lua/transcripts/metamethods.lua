local log = {}
local function L(name) return function(a, b) log[#log + 1] = name; return name end end
local mt = {}
for _, e in ipairs{"add", "sub", "mul", "div", "mod", "pow", "unm", "idiv", "band", "bor", "bxor", "shl", "shr", "bnot", "concat", "len"} do
  mt["__" .. e] = function(a, b) return e .. ":" .. type(a) .. "," .. type(b) end
end
local x = setmetatable({}, mt)
print(x + 1, 1 + x, x - 1, x * 2, x / 2, x % 2, x ^ 2, -x, x // 2)
print(x & 1, 1 | x, x ~ 1, x << 1, 1 >> x, ~x, x .. "s", "s" .. x, 1 .. x, #x, x .. x)
print(1.5 & x, "a" | x)
local cmp = {}
cmp.__eq = function(a, b) return a.v == b.v end
cmp.__lt = function(a, b) return a.v < b.v end
cmp.__le = function(a, b) return a.v <= b.v end
local function V(v) return setmetatable({v = v}, cmp) end
print(V(1) == V(1), V(1) ~= V(2), V(1) < V(2), V(2) <= V(1), V(1) > V(2), V(2) >= V(2), rawequal(V(1), V(1)))
print(V(1) == 1, V(1) == nil, not (V(1) == V(2)))
if V(1) < V(2) then print("lt") end
if not (V(1) == V(2)) then print("ne") end
while V(1) > V(2) do print("never") end
-- __index chains
local base = {foo = "basefoo", bar = "basebar"}
local derived = setmetatable({bar = "derivedbar"}, {__index = base})
local obj = setmetatable({}, {__index = derived})
print(obj.foo, obj.bar, obj.baz, rawget(obj, "foo"))
local fn = setmetatable({}, {__index = function(t, k) return k .. "?" end})
print(fn.abc, fn[1])
-- __newindex
local store = {}
local proxy = setmetatable({}, {__newindex = function(t, k, v) store[k] = v; rawset(t, k .. "_", v) end})
proxy.a = 1; proxy.b = 2
print(rawget(proxy, "a"), proxy.a_, store.b)
local redirect = setmetatable({}, {__newindex = store})
redirect.z = 26; print(rawget(redirect, "z"), store.z)
local has = setmetatable({k = 1}, {__newindex = function() error("no") end})
has.k = 2; print(has.k)
print(pcall(function() has.other = 1 end))
-- __call with several levels
local callable = setmetatable({}, {__call = function(self, ...) return select('#', ...), ... end})
print(callable(1, nil, 3)); print(pcall(callable, "x"))
local c2 = setmetatable({}, {__call = callable}); print(c2("q"))
print(pcall(function() local t = setmetatable({}, {__call = 5}); t() end))
-- __tostring, __name, __metatable, __len, __concat order
print(tostring(setmetatable({}, {__tostring = function() return "T!" end})))
print((tostring(setmetatable({}, {__name = "MyType"})):gsub("0x%x+", "PTR")))
print(pcall(tostring, setmetatable({}, {__tostring = function() return 1 end})))
print(getmetatable(setmetatable({}, {__metatable = "locked"})), pcall(setmetatable, setmetatable({}, {__metatable = 1}), {}))
print(getmetatable("").__index == string, ("x"):rep(3), #"abc", ("%d"):format(3))
print(#setmetatable({1, 2}, {__len = function() return 42 end}), rawlen(setmetatable({1, 2}, {__len = function() return 42 end})))
-- __pairs
for k, v in pairs(setmetatable({}, {__pairs = function(t) return function(_, k) if not k then return 1, "one" elseif k < 3 then return k + 1, "more" end end, t, nil end})) do io.write(k, "=", v, " ") end print()
-- ipairs respects __index
for i, v in ipairs(setmetatable({1}, {__index = function(t, i) if i <= 3 then return i * 10 end end})) do io.write(i, "=", v, " ") end print()
-- inheritance
local Animal = {} Animal.__index = Animal
function Animal.new(name) return setmetatable({name = name}, Animal) end
function Animal:speak() return self.name .. " makes a sound" end
local Dog = setmetatable({}, {__index = Animal}) Dog.__index = Dog
function Dog.new(name) local d = Animal.new(name); return setmetatable(d, Dog) end
function Dog:speak() return Animal.speak(self) .. ": woof" end
print(Dog.new("Rex"):speak(), getmetatable(Dog.new("x")) == Dog)
-- __close
do
  local function closer(n) return setmetatable({}, {__close = function(_, e) print("close", n, e) end}) end
  do local a <close> = closer("a"); local b <close> = closer("b"); print("body") end
  print(pcall(function() local a <close> = closer("c"); error("err") end))
  local function early() local a <close> = closer("d"); return "ret", 2 end
  print(early())
  for i = 1, 2 do local a <close> = closer(i); if i == 1 then goto continue end; print("i2") ::continue:: end
  while true do local a <close> = closer("w"); break end
  for k in (function() return nil end), nil, nil, closer("for") do end
  for k in next, {1}, nil, closer("for2") do print(k); break end
  print(pcall(function() local a <close> = setmetatable({}, {__close = function() error("in close") end}); error("orig") end))
  local co = coroutine.wrap(function() local a <close> = closer("co"); coroutine.yield(1); return 2 end)
  print(co()); print(co())
  local co2 = coroutine.create(function() local a <close> = closer("closed"); coroutine.yield(1) end)
  coroutine.resume(co2); print(coroutine.close(co2), coroutine.status(co2))
  local n <close> = nil; local f <close> = false
  print(pcall(function() local bad <close> = {} end))
  local y = coroutine.wrap(function() do local a <close> = setmetatable({}, {__close = function() coroutine.yield("in close") end}) end return "after" end)
  print(y(), y())
end
-- errors in metamethods, and with levels
print(pcall(function() return setmetatable({}, {__add = function() error("adderr") end}) + 1 end))
print(pcall(function() return setmetatable({}, {__index = function(t, k) error("no field " .. k, 2) end}).foo end))
local loop = {}; setmetatable(loop, {__index = loop}); print(pcall(function() return loop.x end))
local depth = setmetatable({}, {__index = function(t, k) if k == 0 then return "bottom" end return t[k - 1] end})
print(depth[50])
print(pcall(function() return {} < {} end)); print(pcall(function() return {} .. "x" end)); print(pcall(function() return #5 end))
print(rawequal("a", "a"), rawlen("abc"), rawget({5}, 1), rawset({}, 1, 2)[1], select('#', rawset({}, 1, nil)))
-- weak tables and gc
local weak = setmetatable({}, {__mode = "k"}); weak[{}] = 1; local keep = {}; weak[keep] = 2
local wv = setmetatable({}, {__mode = "v"}); wv[1] = {}; wv[2] = keep; wv.s = "string"
collectgarbage(); local n = 0; for k in pairs(weak) do n = n + 1 end; print(n, wv[1], wv[2] == keep, wv.s)
do local g = setmetatable({name = "garbage"}, {__gc = function(o) print("gc", o.name) end}); g = nil end
collectgarbage(); print("collected")

-- What `__index` is can change in many ways, and the tables that inherit see it at once.
local function name_of(object) return object.name end
local function call(object) return object:greet() end
local first = {name = "first", greet = function(self) return "1" .. tostring(rawget(self, "own")) end}
local second = {name = "second", greet = function(self) return "2" .. tostring(rawget(self, "own")) end}
local key = "__index"
local changes = {
  function(m) m.__index = second end, function(m) m[key] = second end, function(m) m["__" .. "index"] = second end,
  function(m) rawset(m, "__index", second) end, function(m) m.__index = nil m.__index = second end,
  function(m) m.__index = function(_, k) return second[k] end end, function(m) m.other, m.__index = 1, second end,
  function(m) for k in pairs(m) do if k == key then m[k] = second end end end,
  function(m) m.__index = setmetatable({}, {__index = second}) end, function(m) m[key] = nil rawset(m, key, second) end,
}
local makers = {
  function() return {__index = first} end, function() local m = {} m.__index = first return m end,
  function() local m = {} m[key] = first return m end, function() return {[key] = first} end,
  function() local m = {a = 1, b = 2} m.__index = first return m end, function() return {1, 2, __index = first, __index = first} end,
  function() return setmetatable({__index = first}, {__newindex = function(t, k, v) rawset(t, k, v) end}) end,
}
for number, make in ipairs(makers) do
  for change_number, change in ipairs(changes) do
    local text
    for _ = 1, 4 do
      local m = make()
      local object = setmetatable({own = number}, m)
      local heir = setmetatable({}, {__index = object})
      text = name_of(object) .. call(object) .. name_of(heir) .. call(heir)
      change(m)
      text = text .. " " .. name_of(object) .. call(object) .. name_of(heir) .. call(heir)
      m.__index = nil
      text = text .. " " .. tostring(name_of(object)) .. tostring(name_of(heir)) .. tostring(pcall(call, object))
      m.__index = first
      text = text .. " " .. name_of(object) .. call(heir)
    end
    print(number, change_number, text)
  end
end
