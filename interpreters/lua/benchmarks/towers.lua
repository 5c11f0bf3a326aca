-- The towers of Hanoi, with stacks that refuse what is not allowed.
local DISKS = tonumber(arg and arg[1]) or 12
local piles, moves = {{}, {}, {}}, 0
local function push(pile, disk)
  local top = pile[#pile]
  if top and disk >= top then error("a disk on a smaller one") end
  pile[#pile + 1] = disk
end
local function pop(pile)
  local disk = pile[#pile]
  pile[#pile] = nil
  return disk
end
local function move(n, from, to)
  if n == 1 then
    push(piles[to], pop(piles[from]))
    moves = moves + 1
    return
  end
  local other = 6 - from - to
  move(n - 1, from, other)
  move(1, from, to)
  move(n - 1, other, to)
end
for d = DISKS, 1, -1 do push(piles[1], d) end
move(DISKS, 1, 3)
assert(moves == (1 << DISKS) - 1 and #piles[3] == DISKS and #piles[1] == 0)
print(moves)
