-- Products of square matrices of floats and of integers.
local N = tonumber(arg and arg[1]) or 60
local function make(n, f)
  local m = {}
  for i = 1, n do
    local row = {}
    for j = 1, n do row[j] = f(i, j) end
    m[i] = row
  end
  return m
end
local function multiply(a, b, n)
  local c = {}
  for i = 1, n do
    local ai, ci = a[i], {}
    for j = 1, n do
      local sum = 0
      for k = 1, n do sum = sum + ai[k] * b[k][j] end
      ci[j] = sum
    end
    c[i] = ci
  end
  return c
end
local a = make(N, function(i, j) return (i * j) % 7 end)
local one = make(N, function(i, j) return i == j and 1 or 0 end)
local f = make(N, function(i, j) return 1.0 / (i + j) end)
local product = multiply(multiply(a, one, N), one, N)
for i = 1, N do for j = 1, N do assert(product[i][j] == a[i][j]) end end
local trace = 0
local g = multiply(f, f, N)
for i = 1, N do trace = trace + g[i][i] end
print(string.format("%.9f", trace))
