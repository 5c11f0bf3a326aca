-- Builds strings in several ways, and compares them.
local N = tonumber(arg and arg[1]) or 2000
local function by_concat(n) local s = "" for i = 1, n do s = s .. i .. "," end return s end
local function by_table(n) local t = {} for i = 1, n do t[#t + 1] = tostring(i) end return table.concat(t, ",") .. "," end
local function by_halves(n)
  local stack = {}
  for i = 1, n do
    local s = i .. ","
    while #stack > 0 and #stack[#stack] <= #s do
      s = table.remove(stack) .. s
    end
    stack[#stack + 1] = s
  end
  return table.concat(stack)
end
local a, b, c = by_concat(N), by_table(N), by_halves(N)
assert(a == b and b == c)
local reversed, sum = a:reverse(), 0
for digits in reversed:gmatch("%d+") do sum = sum + tonumber(digits:reverse()) end
assert(sum == N * (N + 1) // 2)
local vowels = ("the quick brown fox "):rep(N // 10):gsub("[aeiou]", ""):len()
print(#a, vowels)
