"""An R7RS-small Scheme: an expression evaluator with continuations on the heap."""

from __future__ import annotations

from interpreters.scheme.objects import SchemeError
from interpreters.scheme.runtime import Procedure, Runtime, symbol

__all__ = ["Procedure", "Runtime", "SchemeError", "symbol"]
