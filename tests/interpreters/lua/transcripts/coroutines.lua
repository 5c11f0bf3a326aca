local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
for v in gen(3) do io.write(v, " ") end print()
local co = coroutine.create(function(a, b)
  print("start", a, b)
  local c = coroutine.yield(a + b)
  print("got", c)
  local d, e = coroutine.yield(c * 2)
  print("got2", d, e)
  return "end", 99
end)
print(coroutine.resume(co, 1, 2)); print(coroutine.status(co)); print(coroutine.resume(co, 10))
print(coroutine.resume(co, "x", "y")); print(coroutine.status(co)); print(coroutine.resume(co))
-- errors
local e = coroutine.create(function() error("oops") end); print(coroutine.resume(e)); print(coroutine.status(e))
local e2 = coroutine.create(function() error({code = 5}) end); local ok, v = coroutine.resume(e2); print(ok, v.code)
print(pcall(coroutine.wrap(function() error("wrapped") end)))
print(pcall(coroutine.wrap(function() error({}) end)) == false)
local w = coroutine.wrap(function() return 1 end); w(); print(pcall(w))
-- yield across pcall, xpcall, metamethods, iterators, table functions
local co1 = coroutine.create(function()
  local ok, v = pcall(function() local x = coroutine.yield("in pcall"); error("after " .. x) end)
  coroutine.yield(tostring(ok) .. " " .. v)
  local r = {xpcall(function(...) return coroutine.yield(...) end, print, 1, 2)}
  return table.unpack(r)
end)
print(coroutine.resume(co1)); print(coroutine.resume(co1, "X")); print(coroutine.resume(co1)); print(coroutine.resume(co1, "a", "b"))
local mt = {__add = function(a, b) return coroutine.yield("add") end, __index = function(t, k) return coroutine.yield("idx " .. k) end,
  __newindex = function(t, k, v) coroutine.yield("new " .. k) end, __eq = function() return coroutine.yield("eq") end,
  __lt = function() return coroutine.yield("lt") end, __call = function(self, x) return coroutine.yield("call " .. x) end,
  __concat = function() return coroutine.yield("concat") end, __len = function() return coroutine.yield("len") end, __unm = function() return coroutine.yield("unm") end}
local m = coroutine.wrap(function()
  local t, u = setmetatable({}, mt), setmetatable({}, mt)
  print("r", t + 1); print("r", t.foo); t.bar = 1; print("r", t == u); print("r", t < u); print("r", t(5)); print("r", t .. "x", #t, -t)
  if t == u then print("yes") else print("no") end
  return "fin"
end)
local r = m(); local n = 0
while r ~= "fin" do print(r); n = n + 1; r = m(n % 2 == 0 and n or nil) end
local it = coroutine.wrap(function() for a in function() return coroutine.yield("iter") end do print("a", a) end return "itdone" end)
print(it()); print(it(1)); print(it(2)); print(it(nil))
-- status, running, isyieldable, nesting
print(coroutine.isyieldable(), select(2, coroutine.running()))
local outer; outer = coroutine.create(function()
  local inner = coroutine.create(function() print(coroutine.status(outer), coroutine.isyieldable(), select(2, coroutine.running())) ; coroutine.yield() end)
  coroutine.resume(inner); print(coroutine.status(inner)); print(coroutine.resume(coroutine.running()))
end)
coroutine.resume(outer); print(coroutine.status(outer))
print(pcall(coroutine.yield, 1)); print(pcall(coroutine.resume, nil)); print(pcall(coroutine.create, 1)); print(pcall(coroutine.status, {}))
print(coroutine.resume(coroutine.create(function() return table.sort({3, 2, 1}, function(a, b) coroutine.yield() end) end)))
-- close
local c = coroutine.create(function() coroutine.yield() end); coroutine.resume(c); print(coroutine.close(c), coroutine.status(c), coroutine.resume(c))
print(coroutine.close(coroutine.create(print))); local ce = coroutine.create(function() error("E") end); coroutine.resume(ce); print(coroutine.close(ce)); print(coroutine.close(ce))
-- producer/consumer, deep recursion inside, many coroutines
local function walk(t) if type(t) == "table" then for _, x in ipairs(t) do walk(x) end else coroutine.yield(t) end end
local out = {}; for v in coroutine.wrap(function() walk({1, {2, {3, 4}, 5}, {{6}}}) end) do out[#out + 1] = v end print(table.concat(out, ","))
local function rec(n) if n == 0 then coroutine.yield("deep") return 0 end return 1 + rec(n - 1) end
local d = coroutine.wrap(function() return rec(5000) end); print(d()); print(d())
local many = {}; for i = 1, 500 do many[i] = coroutine.wrap(function() local s = 0; while true do s = s + i; coroutine.yield(s) end end) end
local sum = 0; for k = 1, 3 do for i = 1, 500 do sum = sum + many[i]() end end print(sum)
local function permgen(a, n) n = n or #a; if n <= 1 then coroutine.yield(a) else for i = 1, n do a[n], a[i] = a[i], a[n]; permgen(a, n - 1); a[n], a[i] = a[i], a[n] end end end
for p in coroutine.wrap(function() permgen({1, 2, 3}) end) do io.write(table.concat(p), " ") end print()
print(select("#", coroutine.resume(coroutine.create(function() return nil, nil end))))
print(coroutine.wrap(function(...) return select('#', ...), ... end)(nil, nil))
local t = coroutine.create(function() local x = coroutine.yield(); return x() end); coroutine.resume(t); print(coroutine.resume(t, 5))
print((pcall(function() local function f() return coroutine.wrap(f)() end f() end)))
