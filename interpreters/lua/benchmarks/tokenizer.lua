-- Breaks a program into tokens, character by character.
local ROUNDS = tonumber(arg and arg[1]) or 60
local source = [[
local function area(w, h) -- the area
  if w < 0 or h <= 0 then return nil, "bad" end
  local total = 0
  for i = 1, 10 do total = total + w * h / i ^ 2 end
  return total >= 1.5e3 and total or "small"
end
]]
local keywords = {}
for w in ("and do else end for function if in local nil not or return then while"):gmatch("%a+") do keywords[w] = true end
local byte, sub = string.byte, string.sub
local function is_alpha(c) return c and (c >= 97 and c <= 122 or c >= 65 and c <= 90 or c == 95) end
local function is_digit(c) return c and c >= 48 and c <= 57 end
local function tokenize(s)
  local tokens, i, n = {}, 1, #s
  while i <= n do
    local c = byte(s, i)
    if c == 32 or c == 10 then
      i = i + 1
    elseif is_alpha(c) then
      local j = i
      repeat j = j + 1 until not is_alpha(byte(s, j)) and not is_digit(byte(s, j))
      local word = sub(s, i, j - 1)
      tokens[#tokens + 1] = {kind = keywords[word] and "keyword" or "name", text = word}
      i = j
    elseif is_digit(c) then
      local j = i
      repeat j = j + 1 until not is_digit(byte(s, j)) and byte(s, j) ~= 46 and byte(s, j) ~= 101
      tokens[#tokens + 1] = {kind = "number", text = sub(s, i, j - 1), value = tonumber(sub(s, i, j - 1))}
      i = j
    elseif c == 34 then
      local j = i + 1
      while byte(s, j) ~= 34 do j = j + 1 end
      tokens[#tokens + 1] = {kind = "string", text = sub(s, i + 1, j - 1)}
      i = j + 1
    elseif c == 45 and byte(s, i + 1) == 45 then
      while i <= n and byte(s, i) ~= 10 do i = i + 1 end
    else
      local two = sub(s, i, i + 1)
      local length = (two == "<=" or two == ">=" or two == "==" or two == "~=") and 2 or 1
      tokens[#tokens + 1] = {kind = "operator", text = sub(s, i, i + length - 1)}
      i = i + length
    end
  end
  return tokens
end
local text = source:rep(5)
local count, kinds
for _ = 1, ROUNDS do
  local tokens = tokenize(text)
  count, kinds = #tokens, {}
  for _, t in ipairs(tokens) do kinds[t.kind] = (kinds[t.kind] or 0) + 1 end
end
assert(kinds.string == 10 and kinds.keyword == 5 * 16, kinds.keyword)
print(count, kinds.name, kinds.number)
