"""Stands in for metatracer on a Python that it does not support (PyPy): hints that do nothing.

Importing it also installs a loader that drops the `jit_merge_point` and `can_enter_jit` statements of `examples`, so
that PyPy is timed on the author's interpreter without two calls per guest instruction.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from collections.abc import Callable
from typing import Any


class JitDriver:
    """Accepts what the real one accepts."""

    def __init__(self, greens: object = (), reds: object = (), name: str = "", **options: object) -> None:
        self.name = name

    def portal(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def jit_merge_point(self, /, **variables: object) -> None:
        pass

    def can_enter_jit(self, /, **variables: object) -> None:
        pass


def _same(value: Any) -> Any:
    return value


promote = elidable = value_class = unroll_safe = dont_look_inside = loop_invariant = intmask = r_uint = ovfcheck = _same


def look_inside_iff(predicate: Callable[..., bool]) -> Callable[[Any], Any]:
    return _same


def we_are_jitted() -> bool:
    return False


def isconstant(value: object) -> bool:
    return False


def isvirtual(value: object) -> bool:
    return False


def assert_green(value: object) -> None:
    pass


class _WithoutHints(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return node
        if call.func.attr not in ("jit_merge_point", "can_enter_jit"):
            return node
        return ast.copy_location(ast.Pass(), node)


class _Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        return compile(_WithoutHints().visit(ast.parse(data)), path, "exec", dont_inherit=True, optimize=_optimize)

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.get_data(self.path), self.path)


class _Finder:
    @staticmethod
    def find_spec(name: str, path: Any, target: Any = None) -> Any:
        if not name.startswith("examples."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type]
