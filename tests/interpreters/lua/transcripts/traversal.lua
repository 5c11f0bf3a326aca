-- traversal with pairs: fields, items, hashes, booleans; removing and changing entries on the way
local function keys(t) local r = {} for k, v in pairs(t) do r[#r + 1] = tostring(k) .. "=" .. tostring(v) end table.sort(r) return table.concat(r, " ") end
print(keys({a = 1, b = 2, c = 3})) print(keys({1, 2, nil, 4})) print(keys({[true] = 1, [false] = 2, [1.5] = 3, [10] = 4, x = 5, "y"}))
local t = {} for i = 1, 20 do t["k" .. i] = i t[i * 100] = -i end t.name = "n" t[true] = "yes"
print(keys(t))
for k, v in pairs(t) do if type(v) == "number" and v % 2 == 0 then t[k] = nil end end print(keys(t))
for k, v in pairs(t) do if type(v) == "number" then t[k] = v * 10 end end print(keys(t))
for k in pairs(t) do t[k] = nil end print(keys(t), next(t))
-- nested loops over one table, and loops that are left
local s = {} for w in ("the quick brown fox jumps over the lazy dog"):gmatch("%a+") do s[w] = (s[w] or 0) + #w end
local n = 0 for a, x in pairs(s) do for b, y in pairs(s) do if a < b then n = n + x * y end end end print(n)
local seen = 0 for i = 1, 30 do for k, v in pairs(s) do seen = seen + v if v == 6 then break end for _ in pairs({p = 1, q = 2}) do seen = seen + 1 end end end print(seen > 100)
-- the loop's variables assigned to, captured, and keys of the same value that are other objects
local fs = {} for k, v in pairs({a = 1, b = 2, c = 3}) do fs[#fs + 1] = function() v = v + 1 return k .. v end k = k .. "!" end
local out = {} for i = 1, #fs do fs[i]() out[i] = fs[i]() end table.sort(out) print(table.concat(out, " "))
-- next with a key of one's own
local big = {} for i = 1, 50 do big["key" .. i] = i end
local count, k = 0, nil repeat k = next(big, k and ("key" .. k:sub(4))) count = count + 1 until k == nil print(count)
print(pcall(function() for k in next, big, "nowhere" do end end))
local from = 0 for k, v in next, {10, 20, 30, 40}, 2 do from = from + v end print(from)
-- __pairs, numbers between, and a table that changes its kind
local p = setmetatable({}, {__pairs = function(t) return next, {z = 26}, nil end}) for k, v in pairs(p) do print(k, v) end
for round = 1, 3 do local m = {} for i = 1, 40 do m[i * round % 17] = i m["s" .. i % 5] = round m.fixed = i end local sum = 0 for k, v in pairs(m) do sum = sum + v end print(sum, keys(m)) end
local objects = {} for i = 1, 12 do objects[{}] = i end local total = 0 for o, i in pairs(objects) do total = total + i objects[o] = nil end print(total, next(objects))
local mixed = {x = 1, y = 2} mixed["dyn" .. 1] = 3 mixed[2.5] = 4 for i = 1, 20 do local c = 0 for k, v in pairs(mixed) do c = c + v end assert(c == 10) mixed.x = i % 2 == 0 and nil or 1 mixed.x = 1 end print("ok")
local gone = {a = 1, b = 2, c = 3, d = 4} gone.b = nil gone.c = nil print(keys(gone)) for i = 1, 3 do for k in pairs(gone) do gone[k] = (gone[k] or 0) + i end end print(keys(gone))
