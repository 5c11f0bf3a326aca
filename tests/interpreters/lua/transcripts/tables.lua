local t = {10, 20, 30, nil, 50, x = 1, [100] = 2, ["key with space"] = 3, [2.0] = "two", [-1] = "neg"}
print(t[1], t[2], t[5], t.x, t[100], t["key with space"], t[-1], #{1, 2, 3}, #{n = 1}, #{1, 2, nil}, #{nil, nil, 3})
print(#t == 5, t[1.0], t[2^53], next({}), type(next), rawlen({1, 2}))
local a = {} for i = 1, 10 do a[i] = i * i end; print(#a, a[10]); a[#a] = nil; print(#a); a[#a + 1] = "x"; print(#a, a[10])
table.insert(a, "end"); table.insert(a, 1, "start"); print(#a, a[1], a[2], a[#a]); print(table.remove(a), table.remove(a, 1), #a)
print(table.remove({}), table.remove({}, 0), #a, table.remove(a, #a + 1), pcall(table.remove, a, 20))
print(pcall(table.insert, a, 0, 1)); print(pcall(table.insert, a)); print(pcall(table.insert, a, 1, 2, 3)); print(pcall(table.insert, nil, 1))
print(table.concat({1, 2, 3}, ", "), table.concat({}, "x"), table.concat({"a", "b", "c"}, "-", 2, 3), table.concat({1.5, "x"}), pcall(table.concat, {1, {}, 2}))
print(table.unpack({1, 2, 3})); print(table.unpack({1, 2, 3}, 2)); print(table.unpack({1, 2}, 1, 3)); print(select('#', table.unpack({}, 1, 3)), pcall(table.unpack, {}, 1, 1e8))
local p = table.pack(1, nil, 3); print(p.n, p[1], p[2], p[3])
print(table.concat(table.move({1, 2, 3}, 1, 3, 2), ","), table.concat(table.move({1, 2, 3}, 2, 3, 1), ","), table.concat(table.move({1, 2}, 1, 2, 1, {}), ","))
local s = {5, 2, 8, 1, 9, 3}; table.sort(s); print(table.concat(s, " ")); table.sort(s, function(x, y) return x > y end); print(table.concat(s, " "))
local w = {"banana", "apple", "Cherry"}; table.sort(w); print(table.concat(w, " ")); table.sort(w, function(x, y) return x:lower() < y:lower() end); print(table.concat(w, " "))
print(pcall(table.sort, {1, "x"})); print(pcall(table.sort, {3, 1, 2}, 5)); print(pcall(table.sort, {{}, {}}))
-- traversal
local keys = {} for k, v in pairs({1, 2, 3, a = "x", b = "y"}) do keys[#keys + 1] = tostring(k) .. "=" .. tostring(v) end table.sort(keys); print(table.concat(keys, " "))
local c = {a = 1, b = 2, c = 3, 1, 2, 3}; for k in pairs(c) do c[k] = nil end; print(next(c), #c)
local d = {} for i = 1, 100 do d["k" .. i] = i end; local n = 0 for k, v in pairs(d) do n = n + v; d[k] = v + 1 end; print(n)
for k in pairs(d) do if d[k] % 2 == 0 then d[k] = nil end end; n = 0 for _ in pairs(d) do n = n + 1 end; print(n)
print(pcall(next, {}, "nope")); print(pcall(function() local x = {} x[nil] = 1 end)); print(pcall(function() local x = {} x[0/0] = 1 end)); print(({})[nil], ({})[0/0])
print(pcall(rawset, {}, nil, 1)); print(rawget({}, nil))
for i, v in ipairs({1, 2, nil, 4}) do io.write(i, ":", v, " ") end print()
local bools = {[true] = "t", [false] = "f", [1] = "one"}; print(bools[true], bools[false], bools[1], #bools); n = 0 for k, v in pairs(bools) do n = n + 1 end print(n)
local f = function() end; local tk = {[f] = "func", [t] = "table", [print] = "builtin"}; print(tk[f], tk[t], tk[print])
local fl = {[1.5] = "a", [2^53] = "b"}; print(fl[1.5], fl[2^53], fl[9007199254740992]); fl[3.0] = "three"; print(fl[3], next({[5.0] = 1}), math.type(next({[5.0] = 1})))
local g = {} g[3] = 3 g[2] = 2 g[1] = 1; print(#g, table.concat(g, ",")); g[2] = nil; print(g[1], g[2], g[3]); local holes = {n = 0} for i = 10, 1, -1 do holes[i] = i end; print(#holes)
local nested = {{1, 2}, {3, {4, 5}}}; print(nested[2][2][1], #nested[1]); nested[2][2][3] = "new"; print(#nested[2][2])
local function f3() return 1, 2, 3 end; print(#{f3(), f3()}, #{f3(), (f3())}, #{(f3())}, ({f3()})[3], #{f3(), nil}); local big = {} for i = 1, 1000 do big[i] = i end print(#big, select('#', table.unpack(big)))
local str = {} for i = 1, 300 do str["name" .. i] = i end; local sum = 0 for _, v in pairs(str) do sum = sum + v end print(sum, str.name300, str.name1)
local q = {first = 1, last = 0} for i = 1, 5 do q.last = q.last + 1; q[q.last] = i end; while q.first <= q.last do io.write(q[q.first], " "); q[q.first] = nil; q.first = q.first + 1 end print()
local long = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60, f3()}; print(#long, long[51], long[63])
local zero = {[0] = "z", "one", "two"} local seen = {} for k, v in pairs(zero) do seen[#seen + 1] = k .. v end table.sort(seen) print(table.concat(seen, " "))

-- Tables without items share their empty array, and those without fields their values, until the first comes.
local function fill(make, how)
  local others, filled = {}, make()
  for i = 1, 3 do others[i] = make() end
  how(filled)
  local text = #filled .. ":" .. tostring(filled[1]) .. ":" .. tostring(filled.name)
  for i = 1, 3 do text = text .. " " .. #others[i] .. tostring(others[i][1]) .. tostring(others[i].name) end
  return text
end
local makers = {
  function() return {} end, function() return setmetatable({}, {}) end, function() return {other = 1} end, table.pack,
  function() local t = {1} t[1] = nil return t end, function() return {nil} end,
}
local ways = {
  function(t) t[1] = "a" end, function(t) t[#t + 1] = "a" t[#t + 1] = "b" end, function(t) rawset(t, 1, "a") end,
  function(t) table.insert(t, "a") end, function(t) table.insert(t, 1, "a") table.insert(t, 1, "b") end,
  function(t) t[2] = "b" t[1] = "a" end, function(t) t.name = "n" end, function(t) rawset(t, "name", "n") end,
  function(t) table.move({"a", "b"}, 1, 2, 1, t) end, function(t) t[1] = "a" t[1] = nil t[1] = "c" end,
  function(t) t[1.0] = "a" t.name = "n" end,
}
for number, make in ipairs(makers) do
  for _, how in ipairs(ways) do
    local text
    for _ = 1, 5 do text = fill(make, how) end
    print(number, text)
  end
end

-- Integers that come in any order: the array takes them over when it is more than half used.
local function entries(t)
  local found = {}
  for k, v in pairs(t) do found[#found + 1] = tostring(k) .. "=" .. tostring(v) end
  table.sort(found)
  return #found .. " " .. table.concat(found, " ")
end
local orders = {
  function(i) return 31 - i end, function(i) return i * 7 % 31 end, function(i) return 2 * i end, function(i) return i + 100 end,
  function(i) return i * i end, function(i) return (i + 15) % 30 + 1 end, function(i) return i % 2 == 0 and i // 2 or -i end,
}
for number, order in ipairs(orders) do
  local t = {}
  for i = 1, 30 do t[order(i)] = i end
  print(number, entries(t))
  for i = 1, 30 do if i % 3 > 0 then t[order(i)] = nil end end
  for i = 1, 30 do t["k" .. i] = i t[i + 0.5] = i end
  print(number, entries(t), t[40], t[3], t[7], rawlen(t) == 0 or t[#t] ~= nil, t[#t + 1])
  for i = 30, 1, -1 do t[order(i)] = i t[i + 0.5] = nil t["k" .. i] = nil end
  print(number, entries(t))
  for k, v in pairs(t) do t[k] = v > 15 and v + 1 or nil end
  print(number, entries(t))
  for k in pairs(t) do t[k] = nil end
  print(number, entries(t), #t, next(t))
end
