local function try(...) local ok, e = pcall(...) return ok and e or (e:gsub("^.-:%d+: ", "")) end
local parts, n = {}, 0
for i = 1, 300 do
  local t = {i, "a" .. i % 3, i / 4, -i, i % 5 == 0 and "x" or 2.5}
  parts[#parts + 1] = table.concat(t, i % 2 == 0 and "," or nil, i % 3 + 1, 5 - i % 2)
  n = n + #parts[#parts]
end
print(n, parts[1], parts[100], parts[300])
local long = {}
for i = 1, 100 do long[i] = i % 7 == 0 and i / 2 or i % 3 == 0 and tostring(i) or i end
for i = 1, 60 do n = n + #table.concat(long, "-", i) end
print(n, table.concat(long, " ", 90))
for i = 1, 60 do
  local bad = {1, 2, i > 30 and {} or "s", 4}
  n = n + #try(table.concat, bad, ",")
end
print(n, try(table.concat, {1, {}, 3}), try(table.concat, {1, 2}, ",", 1, 3), try(table.concat, {true}))
local proxy = setmetatable({}, {__index = function(_, k) return k * 10 end, __len = function() return 4 end})
for i = 1, 60 do n = n + #table.concat(proxy, ";", 1, i % 5 + 1) end
print(n, table.concat(proxy, ";"), table.concat({}, "x"), table.concat({1}, "x", 2), table.concat({[3] = 3.0, [4] = 1e100}, "x", 3, 4))
do -- numbers and strings in table.concat
  local mixed = {{1, 2, 3}, {"a", 1, 2.5}, {1, "a"}, {-1, 2^53, math.mininteger, 0.1}, {}, {"x"}, {7}}
  for round = 1, 3 do
    for _, t in ipairs(mixed) do
      print(table.concat(t), table.concat(t, ","), table.concat(t, round), table.concat(t, ";", math.max(#t, 1)), pcall(table.concat, t, ",", 2, 3))
      print(table.concat(setmetatable({}, {__index = t, __len = function() return #t end}), "-"))
    end
    print(pcall(table.concat, {1, {}, 3})) print(pcall(table.concat, {"a", true})) print(pcall(table.concat, {1, 2}, ",", 1, 3)) print(pcall(table.concat, {1, 2}, ",", 0))
  end
  for _, i in ipairs {0, 9, 10, -1, -10, 99, 100, 123456789, math.maxinteger, math.mininteger} do
    for round = 1, 3 do print("n" .. i, i .. "", i .. i, tostring(i), ("%d"):format(i), ("%s"):format(i)) end
  end
end
