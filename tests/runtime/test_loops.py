"""How long code lives that other code enters at its label."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from metatracer.runtime.loops import Piece, hold, release, retire


class Code:
    def __init__(self) -> None:
        self.is_freed = False

    def free(self) -> None:
        self.is_freed = True


def piece() -> Piece:
    loop: Any = SimpleNamespace()
    code: Any = Code()
    trace: Any = SimpleNamespace(operations=[])
    return Piece(loop, code, trace, None, 1)


def test_code_that_is_held_is_freed_after_its_holder() -> None:
    target, bridge = piece(), piece()
    assert hold(target)
    bridge.entered.append(target)
    retire(target)
    assert not target.code.is_freed
    retire(bridge)
    assert bridge.code.is_freed
    assert target.code.is_freed


def test_code_is_kept_for_each_holder() -> None:
    target = piece()
    assert hold(target)
    assert hold(target)
    retire(target)
    release(target)
    assert not target.code.is_freed
    release(target)
    assert target.code.is_freed


def test_retired_code_cannot_be_held() -> None:
    target = piece()
    retire(target)
    assert not hold(target)
    held = piece()
    assert hold(held)
    release(held)
    assert not held.code.is_freed
