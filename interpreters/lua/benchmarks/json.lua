-- Parses and prints JSON.
local ROUNDS = tonumber(arg and arg[1]) or 30
local escapes = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/"}
local function parse(text)
  local pos = 1
  local value
  local function skip() pos = text:find("%S", pos) or #text + 1 end
  local function fail(m) error(m .. " at " .. pos) end
  local function str()
    pos = pos + 1
    local parts = {}
    while true do
      local stop = text:find('["\\]', pos)
      if not stop then fail("unfinished string") end
      parts[#parts + 1] = text:sub(pos, stop - 1)
      if text:sub(stop, stop) == '"' then pos = stop + 1 return table.concat(parts) end
      local e = text:sub(stop + 1, stop + 1)
      if e == "u" then
        parts[#parts + 1] = utf8.char(tonumber(text:sub(stop + 2, stop + 5), 16))
        pos = stop + 6
      else
        parts[#parts + 1] = escapes[e] or fail("bad escape")
        pos = stop + 2
      end
    end
  end
  function value()
    skip()
    local c = text:sub(pos, pos)
    if c == "{" then
      local object = {}
      pos = pos + 1
      skip()
      if text:sub(pos, pos) == "}" then pos = pos + 1 return object end
      while true do
        skip()
        local key = str()
        skip()
        if text:sub(pos, pos) ~= ":" then fail("':' expected") end
        pos = pos + 1
        object[key] = value()
        skip()
        local s = text:sub(pos, pos)
        pos = pos + 1
        if s == "}" then return object elseif s ~= "," then fail("',' expected") end
      end
    elseif c == "[" then
      local array = {}
      pos = pos + 1
      skip()
      if text:sub(pos, pos) == "]" then pos = pos + 1 return array end
      while true do
        array[#array + 1] = value()
        skip()
        local s = text:sub(pos, pos)
        pos = pos + 1
        if s == "]" then return array elseif s ~= "," then fail("',' expected") end
      end
    elseif c == '"' then
      return str()
    elseif text:find("^true", pos) then pos = pos + 4 return true
    elseif text:find("^false", pos) then pos = pos + 5 return false
    elseif text:find("^null", pos) then pos = pos + 4 return nil
    end
    local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", pos)
    if not number then fail("unexpected " .. c) end
    pos = pos + #number
    return tonumber(number)
  end
  return value()
end
local function quote(s)
  return '"' .. s:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end
local function dump(v, out)
  local kind = type(v)
  if kind == "table" then
    if #v > 0 then
      out[#out + 1] = "["
      for i, x in ipairs(v) do
        if i > 1 then out[#out + 1] = "," end
        dump(x, out)
      end
      out[#out + 1] = "]"
    else
      local keys = {}
      for k in pairs(v) do keys[#keys + 1] = k end
      table.sort(keys)
      out[#out + 1] = "{"
      for i, k in ipairs(keys) do
        if i > 1 then out[#out + 1] = "," end
        out[#out + 1] = quote(k)
        out[#out + 1] = ":"
        dump(v[k], out)
      end
      out[#out + 1] = "}"
    end
  elseif kind == "string" then
    out[#out + 1] = quote(v)
  else
    out[#out + 1] = tostring(v)
  end
  return out
end
local items = {}
for i = 1, 40 do
  items[i] = {id = i, name = "item \"" .. i .. "\"", price = i * 1.25, tags = {"a", "b", "c" .. i}, ok = i % 2 == 0,
    nested = {x = i, y = {z = -i}}}
end
local text = table.concat(dump({items = items, count = #items}, {}))
for _ = 1, ROUNDS do
  local again = table.concat(dump(parse(text), {}))
  assert(again == text)
end
print(#text)
