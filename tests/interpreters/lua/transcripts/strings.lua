print(#"a\0b", "tab\tq\"uote\65\x41\u{48}\z
   joined", 'single', [[long
line]], [==[with ]] inside]==], "a\
b")
print(("x"):rep(3, "-"), ("abc"):sub(2), ("abc"):sub(-2, -1), ("abc"):sub(0), ("abc"):sub(5), ("abc"):upper(), ("ABC"):lower(), ("abc"):reverse(), ("abc"):len(), ("abc"):byte(1, -1))
print(string.char(72, 105), ("hello"):find("l"), ("hello"):find("xyz"), ("hello"):find("l", 1, true), ("a.b"):find(".", 1, true), ("hello"):find("", 10), ("hello"):find("", 6))
print(("hello world"):match("^(%w+)"), ("key=val"):match("(%w+)=(%w+)"), ("  trim  "):match("^%s*(.-)%s*$") .. "|", ("2024-01-02"):match("(%d+)-(%d+)-(%d+)"))
print(("hello"):gsub("l", "L"), ("hello"):gsub("l", "L", 1), ("abc"):gsub("%w", "%0%0"), ("abc"):gsub("", "-"), ("hello world"):gsub("o", {o = "0"}), ("abc"):gsub("b", function(c) return c:upper() end), ("abc"):gsub("b", function() return false end))
for w in ("one two three"):gmatch("%a+") do io.write(w, ",") end for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do io.write(k, v, ";") end print()
print(("THE (quick) fox"):find("%((%a+)%)"), ("f(a(b)c)d"):match("%b()"), ("THE fox"):gsub("%f[%a]%a+", string.lower), ("x^2"):gsub("%^", "**"))
print(string.format("%s %q %d %5.1f %x %c %% %10s|%-10s|%.3s", "str", "q\n\0", 42, 3.14159, 255, 65, "right", "left", "truncate"), string.format("%i", 3.0))
print(pcall(string.format, "%d", 3.5)); print(pcall(string.format, "%d", "x")); print(pcall(string.format, "%y", 1)); print(pcall(string.format, "%d")); print(pcall(string.rep, "x", 1e10))
print(pcall(string.find, "a", "[a")); print(pcall(string.find, "a", "%")); print(pcall(string.gsub, "a", "(", "")); print(pcall(string.gsub, "abc", "a", "%2")); print(pcall(string.char, 256))
print(string.pack("<i4", 100):byte(1, -1)); print(string.unpack("<i4", string.pack("<i4", -2))); print(string.packsize("i4i8"), string.unpack("z", "hello\0rest"), string.unpack("s1", "\3abc"))
print("a" .. 1 .. 2.0 .. "b", 1 .. "", "x" < "y", "abc" == "abc", "10" == 10, #"\u{7FFFFFFF}", "\u{20AC}")
print(tostring(1e15), tostring(-0.0), tostring(nil), tostring(true), ("%g"):format(1e20), ("%.14g"):format(0.1), ("%5d|%-5d|%+d"):format(1, 2, 3))
print(utf8.char(72, 228, 8364, 128512), utf8.len("häß"), utf8.codepoint("ä", 1), utf8.offset("aäb", 3), utf8.len("\xff"), #utf8.charpattern)
for p, c in utf8.codes("aä€") do io.write(p, ":", c, " ") end print()
print(pcall(utf8.codepoint, "\xff")); print(tostring(12):rep(2))
