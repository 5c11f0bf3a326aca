-- Runs a program N times with its output thrown away, and prints the seconds each time took.
local path, size = arg[1], arg[3]
local f, clock, times = assert(loadfile(path)), os.clock, {}
arg = {[0] = path, size}
local show = print
print = function() end
for i = 1, N do
  local t = clock()
  f(size)
  times[i] = string.format("%.6f", clock() - t)
end
show(table.concat(times, " "))
