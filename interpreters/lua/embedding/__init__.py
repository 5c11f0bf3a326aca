"""Lua within Python: how values, calls and errors cross over."""
