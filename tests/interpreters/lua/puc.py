"""Asks PUC Lua, where it is installed, what its library returns: Python values in, Python values out."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

LUA = shutil.which("lua5.4")

# Each result goes out as a letter for its type and a text that Python reads back.
_PRELUDE = """
local function show(value)
  local kind = math.type(value) or type(value)
  if kind == "integer" then return "i" .. string.format("%d", value) end
  if kind == "float" then return "f" .. (value ~= value and "nan" or string.format("%a", value)) end
  if kind == "string" then return "s" .. value:gsub(".", function(c) return string.format("%02x", c:byte()) end) end
  return "o" .. tostring(value)
end
local function case(f, ...)
  local results = table.pack(pcall(f, ...))
  for i = 1, results.n do results[i] = show(results[i]) end
  print(table.concat(results, " "))
end
"""


def literal(value: Any) -> str:
    """Return a value as Lua source."""
    if value is None or isinstance(value, bool):
        return {None: "nil", True: "true", False: "false"}[value]
    if isinstance(value, bytes):
        return '"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
    if isinstance(value, int):
        return "math.mininteger" if value == -(2**63) else f"({value})"
    if value != value:
        return "(-(0/0))"
    return {float("inf"): "(1/0)", -float("inf"): "(-1/0)"}.get(value) or f"({value.hex()})"


def _read(text: str) -> Any:
    kind, rest = text[0], text[1:]
    if kind == "i":
        return int(rest)
    if kind == "f":
        return float("nan") if rest == "nan" else float.fromhex(rest)
    if kind == "s":
        return bytes.fromhex(rest)
    return {"nil": None, "true": True, "false": False}[rest]


def ask(cases: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
    """Return for each call (a function's name and its arguments) its results, or its error message as a str."""
    lines = [f"case({', '.join([name, *map(literal, args)])})" for name, args in cases]
    # Functions of many constants have a limit: each case is a chunk of its own.
    source = _PRELUDE + "\n".join(lines)
    output = subprocess.run(
        [LUA or "lua5.4", "-"], input=source.encode(), capture_output=True, check=True, timeout=60
    ).stdout
    answers: list[Any] = []
    for line in output.decode("ascii").splitlines():
        succeeded, *values = map(_read, line.split())
        if succeeded:
            answers.append(values)
        else:
            answers.append(values[0].decode("latin-1").replace("to 'string.", "to '").replace("to 'utf8.", "to '"))
    return answers
