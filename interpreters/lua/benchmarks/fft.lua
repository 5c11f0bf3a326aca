-- A fast Fourier transform there and back.
local LOG = tonumber(arg and arg[1]) or 11
local N = 1 << LOG
local function fft(re, im, n, direction)
  local j = 0
  for i = 0, n - 2 do
    if i < j then
      re[i + 1], re[j + 1] = re[j + 1], re[i + 1]
      im[i + 1], im[j + 1] = im[j + 1], im[i + 1]
    end
    local m = n >> 1
    while m >= 1 and j & m ~= 0 do j = j ~ m; m = m >> 1 end
    j = j | m
  end
  local size = 2
  while size <= n do
    local half = size // 2
    local angle = direction * 2 * math.pi / size
    local wr, wi = math.cos(angle), math.sin(angle)
    for start = 1, n, size do
      local cr, ci = 1.0, 0.0
      for k = start, start + half - 1 do
        local h = k + half
        local tr = cr * re[h] - ci * im[h]
        local ti = cr * im[h] + ci * re[h]
        re[h], im[h] = re[k] - tr, im[k] - ti
        re[k], im[k] = re[k] + tr, im[k] + ti
        cr, ci = cr * wr - ci * wi, cr * wi + ci * wr
      end
    end
    size = size * 2
  end
end
local re, im = {}, {}
for i = 1, N do re[i] = (i * 7919 % 1000) / 1000; im[i] = 0.0 end
fft(re, im, N, 1)
local power = 0
for i = 1, N do power = power + re[i] * re[i] + im[i] * im[i] end
fft(re, im, N, -1)
for i = 1, N do assert(math.abs(re[i] / N - (i * 7919 % 1000) / 1000) < 1e-9) end
print(string.format("%.6f", power / N))
