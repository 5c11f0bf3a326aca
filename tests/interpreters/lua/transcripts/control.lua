local function f(n) if n == 0 then return "zero" elseif n < 0 then return "neg" elseif n < 10 then return "small" else return "big" end end
print(f(0), f(-1), f(5), f(50))
for i = 1, 3 do for j = 1, 3 do if j == 2 then goto next_i end io.write(i, j, " ") end ::next_i:: end print()
for i = 1, 5 do if i % 2 == 0 then goto continue end io.write(i, " ") ::continue:: end print()
do local i = 1 ::top:: if i <= 3 then io.write(i, " ") i = i + 1 goto top end print() end
do goto skip; ::never:: print("never") ::skip:: end
local n = 0 while true do n = n + 1 if n > 5 then break end end print(n)
repeat local x = n; n = n - 1; if x == 3 then break end until x < 0 print(n)
print(nil and 1, false and 1, 1 and 2, nil or 1, false or nil, 1 or 2, not nil, not 0, nil == false, 1 and nil or 3, false == false)
print((nil or false) == false, 1 < 2 and "yes" or "no", not (1 > 2) and not false, (1 > 2) == false)
local a, b, c = (function() return 1, 2 end)() print(a, b, c)
local x <const>, y <const> = 5, "s"; print(x + 1, y .. x)
local function va(...) local t = {...}; return #t, ..., "end" end print(va(1, 2)); print((va(1, 2)))
print(pcall(error)); print(pcall(error, nil)); print(pcall(error, "m", 0)); print(pcall(error, "m", 1)); print(pcall(error, "m", 2)); print(pcall(error, 42)); print(select(2, pcall(error, {1}))[1])
print(select(2, pcall(function() error("lvl1") end))); print(select(2, pcall(function() error("lvl2", 2) end)))
local function thrower() error("thrown", 2) end print(pcall(function() thrower() end))
print(xpcall(function() error("e") end, function(m) return "handled: " .. m end)); print(xpcall(function(...) return ... end, print, 1, 2)); print(pcall(xpcall)); print(xpcall(error, function(m) return m end, "direct"))
print(pcall(pcall)); print(pcall(pcall, error, "x")); print(assert(1, 2, 3)); print(pcall(assert, false)); print(pcall(assert, nil, "msg")); print(pcall(assert, false, {1}) == false); print(pcall(assert))
local function deep(n) if n == 0 then error("bottom") end deep(n - 1) end print(pcall(deep, 100))
print(select('#', pcall(deep, 1000)))
local function so() return 1 + so() end local ok, m = pcall(so) print(ok, m:match("stack overflow"))
local function tail(n) if n == 0 then return "done" end return tail(n - 1) end print(tail(300000))
local function sum(n, acc) if n == 0 then return acc end return sum(n - 1, acc + n) end print(sum(100000, 0))
print(load("return 1 + 1")(), load("syntax error here"), load(function() return nil end)); local parts, i = {"return ", "4", "2"}, 0 print(load(function() i = i + 1 return parts[i] end)())
print(pcall(load, 5)); print(load("x = ", "=name")); print(load("x = ", "@file.lua")); print(load("\n\nx = ", "line1\nline2")); print(load("return ...", "v")(7), (load("\27Lua", "b", "t")), (load("return 1", "t", "b")))
print(pcall(load("local x = nil; return x.y", "=c"))); print(pcall(load("return a.b.c", "=c"))); print(pcall(load("a.b = 1", "=c"))); print(pcall(load("return ('x')()", "=c"))); print(pcall(load("local t = {} t.x.y.z = 1", "=c"))); print(pcall(load("t = {} t:nope()", "=c"))); print(pcall(load("local a = {} ; return a.b + 1", "=c"))); print(pcall(load("local up = nil; return (function() return up.x end)()", "=c"))); print(pcall(load("return -{}", "=c"))); print(pcall(load("return #nil", "=c"))); print(pcall(load("local a = 'x' return a < 1", "=c"))); print(pcall(load("return {} .. 'x'", "=c"))); print(pcall(load("string.rep()", "=c"))); print(pcall(load("('x'):rep()", "=c"))); print(pcall(load("local r = string.rep; r()", "=c"))); print(pcall(load("for i = 1, 'x' do end", "=c"))); print(pcall(load("for k in nil do end", "=c"))); print(pcall(load("return 1 & 1.5", "=c"))); print(pcall(load("return 'a' .. nil", "=c"))); print(pcall(load("return math.floor({})", "=c"))); print(pcall(load("nofunc()", "=c"))); print(pcall(load("local t = {} t[1][2] = 3", "=c"))); print(pcall(load("local t, k = {}, 'z' ; t[k].q = 1", "=c"))); print(pcall(load("return 2^53 // 0", "=c"))); print(pcall(load("return x()()", "=c", "t", {x = function() end})))
for _, s in ipairs{"x", "x =", "= 1", "local 1", "if x", "if x then else elseif", "for", "for i", "for i = 1", "for i, j = 1", "for i in", "while", "repeat", "repeat until", "function", "function f", "function f(", "function f(a,", "function f(a b)", "return return", "x = {", "x = {1, 2", "x = (1", "x = 'abc", "x = \"a\nb\"", "x = [[abc", "--[[ abc", "x = 'a\\qb'", "x = '\\x4'", "x = '\\300'", "x = '\\u{110000000}'", "x = '\\u{zz}'", "x = 0x", "x = 1..2", "x = 3in", "x = 1e+", "goto 1", "goto x", "::a:: ::a::", "break", "local x <close>, y <close> = 1, 2", "local x <what> = 1", "local x <const> = 1; x = 2", "a.b:c = 1", "f() = 1", "(a) = 1", "a, b", "x y", "x = }", "x = @", "x = a..", "x = #", "x = not", "end", "local function f() return 1 end end", "local a = ... ; function g() return ... end", "do local a goto l1 local b ::l1:: print(b) end", "for i = 1, 2 do ::a:: end goto a", "x = ~= 1", "x = 1 +* 2", "f(", "f(1,", "a.1", "a.", "a:", "a:b", "local", "local function", "local function 1", "return 1,", "x = function", "x = function( end", "x = 'é", "\1", "x = [=abc", "if 1 then", "while 1 do", "for i=1,2 do"} do print(select(2, load(s, "=s"))) end
print(select(2, load("x = " .. ("a"):rep(100) .. " ="))); print(select(2, load(("x"):rep(100) .. " = ="))); print(#select(2, load("x =\n" .. ("\n"):rep(10) .. "=", "@" .. ("d/"):rep(50) .. "f.lua")))
do -- steps
local function steps(a, b, c) local out = {} for i = a, b, c do out[#out + 1] = i if #out > 9 then break end end return table.concat(out, " ") end
for round = 1, 2 do
  for _, c in ipairs {1, 2, 3, 7, -1, -2, -5} do
    print(c, steps(1, 10, c), steps(10, 1, c), steps(5, 5, c), steps(math.maxinteger - 3, math.maxinteger, c),
      steps(math.mininteger + 3, math.mininteger, c), steps(math.mininteger, math.maxinteger, c), steps(math.maxinteger, math.mininteger, c), steps(1, 2.5, c), steps(3, -1.5, c), steps(1.0, 3, c))
  end
  print(pcall(steps, 1, 10, 0))
end
end
