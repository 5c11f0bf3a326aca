-- How many points of a grid are in the Mandelbrot set.
local N = tonumber(arg and arg[1]) or 100
local inside = 0
for y = 0, N - 1 do
  local ci = 2.0 * y / N - 1.0
  for x = 0, N - 1 do
    local cr = 2.0 * x / N - 1.5
    local zr, zi, zr2, zi2 = 0.0, 0.0, 0.0, 0.0
    local escaped = false
    for _ = 1, 50 do
      zi = 2.0 * zr * zi + ci
      zr = zr2 - zi2 + cr
      zr2, zi2 = zr * zr, zi * zi
      if zr2 + zi2 > 4.0 then escaped = true break end
    end
    if not escaped then inside = inside + 1 end
  end
end
local share = inside / (N * N)
assert(share > 0.3 and share < 0.5)
print(inside)
