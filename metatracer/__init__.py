"""metatracer: turn an interpreter written in ordinary Python into a just-in-time compiled one."""

from __future__ import annotations

__version__ = "0.1.0"
