"""Lua 5.4: an interpreter in ordinary Python that metatracer traces."""
