-- Counts words, and sorts them.
local N = tonumber(arg and arg[1]) or 100
local words = {"the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "and", "runs", "away", "from", "bear"}
local seed, parts = 1, {}
for i = 1, 400 do
  seed = (seed * 48271) % 2147483647
  parts[i] = words[seed % #words + 1] .. (i % 9 == 0 and ".\n" or " ")
end
local text = table.concat(parts)
local counts, lines
for _ = 1, N do
  counts, lines = {}, 0
  for line in text:gmatch("[^\n]+") do
    lines = lines + 1
    for word in line:gmatch("%a+") do
      word = word:lower()
      counts[word] = (counts[word] or 0) + 1
    end
  end
end
local order, total = {}, 0
for word, n in pairs(counts) do order[#order + 1] = word; total = total + n end
table.sort(order, function(a, b) return counts[a] > counts[b] or (counts[a] == counts[b] and a < b) end)
assert(total == 400)
print(lines, #order, order[1], counts[order[1]])
