"""Lua's byte strings: numerals, patterns, formats and binary packing."""
