-- The same patterns and formats again and again, on subjects that differ: what traces match themselves, and what they do not.
local patterns = {
  "%a+", "^%a+", "^%a+$", "[^,]+", "([^,]*),", "(%d+)()", "^%s*", "%s*", "^%s*(%-?)(%d+)%.?(%d*)%s*$", "%S", "^true", "()", "^()%l",
  "^(%w+)%s*=%s*(%w*)", "%d?", "^%d?%a", "x*", "[%z\1-\31]", "%u%l*", "^$", "%a*$", "(a*)b", "a-b", ".-,", "(.)%1", "%f[%w]%w+",
}
local subjects = {
  "", " ", "one", "one, two,three", ",,", "12.5 ", " -7", "key = value", "a=", "aab", "ab,aab,xx", "True true", "\0\5z", "  1x2y  ",
  "x1", "1x", "Upper lower Camel", "\xff\xfe", "trailing ",
}
local sum = 0
local function show(...)
  local n = select("#", ...)
  for i = 1, n do sum = (sum * 31 + #tostring((select(i, ...)))) % 1000003 end
  return n
end
for round = 1, 12 do
  for _, pattern in ipairs(patterns) do
    for number, subject in ipairs(subjects) do
      show(subject:find(pattern))
      show(subject:match(pattern, round % 4 + 1))
      show(subject:find(pattern, -round % 5))
      show(subject:gsub(pattern, "<%0>"))
      show(subject:gsub(pattern, function(a, b) if b then return a .. tostring(b) end end, round % 3 + 1))
      local count = 0
      for a, b in subject:gmatch(pattern) do count = count + show(a, b) end
      show(count)
    end
  end
  print(round, sum)
end
for _, pattern in ipairs(patterns) do
  local found = {}
  for _, subject in ipairs(subjects) do
    for a, b in subject:gmatch(pattern) do found[#found + 1] = tostring(a) .. (b and "/" .. b or "") end
    local first, last = subject:find(pattern)
    found[#found + 1] = first and first .. ":" .. last or "-"
  end
  print(pattern, (table.concat(found, " "):gsub("[^\32-\126]", "?")))
end
-- A pattern that is put together, and one that is malformed, in loops.
local function split(text, separator)
  local parts = {}
  for part in (text .. separator):gmatch("([^" .. separator .. "]*)" .. separator) do parts[#parts + 1] = part end
  return parts
end
for i = 1, 60 do
  local separator = ({",", ";", ":", "|"})[i % 4 + 1]
  local parts = split(table.concat({"a", "", "ccc" .. i, "d"}, separator), separator)
  if i % 20 == 0 then print(#parts, table.concat(parts, " ")) end
end
for i = 1, 40 do
  local ok, message = pcall(string.find, "abc" .. i, i == 30 and "[a" or i == 35 and "(a" or "%a")
  if not ok then print(i, message) end
end
-- Formats that are constant, and some that are not.
local formats = {"%5d|", "%-5s|", "%05.1f|", "%x|", "%%|", "%c|", "%q|", "%i|", "%g|"}
local values = {1, -20, 3.0, 255, 65, 7}
for round = 1, 40 do
  local line = {}
  for i, value in ipairs(values) do
    line[#line + 1] = string.format("%d:%s:%5.2f:%q", i, value, value, value) .. ("[%3d]%%<%-6s>%04x"):format(i + round, "v" .. i, i)
    line[#line + 1] = formats[(i + round) % #formats + 1]:format(value)
  end
  if round % 10 == 0 then print(table.concat(line, " ")) end
end
for i = 1, 40 do
  local value = i == 31 and "x" or i == 33 and 1.5 or i == 35 and {} or i == 37 and "0x10" or i
  local ok, message = pcall(string.format, "%d and %s", value, i == 39 and setmetatable({}, {__tostring = function() return "T" .. i end}) or i)
  if not ok or i > 36 then print(i, (message:gsub("0x%x+", "ADDRESS"))) end
  ok, message = pcall(string.format, "%d %d", i, i == 20 and nil or i)
  if not ok then print(message) end
end
print(pcall(string.format, "%d"), pcall(string.format, "%y", 1), pcall(string.format))
