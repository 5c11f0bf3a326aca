"""What is kept with code is out of the collector's sight, and goes when the code goes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import weakref
from pathlib import Path

from metatracer import JitDriver, parameters
from metatracer.ir.values import FrameState
from metatracer.runtime.loops import GUARDS, Piece, retire
from tests.scenarios.loops import fold

ROOT = Path(__file__).parents[2]


class Mortal:
    """To be counted."""


def _compiled(name: str) -> tuple[Piece, list[object]]:
    """A loop's root, and a list of the guest's that its code refers to."""
    driver = JitDriver(greens=["pc"], reds=["left", "done"], name=name)
    items: list[object] = [1, 2, 3]

    @driver.portal
    def run(left, done):
        pc = 0
        while left > 0:
            driver.jit_merge_point(pc=pc, left=left, done=done)
            left -= items[0]
            done.append(left)
            driver.can_enter_jit(pc=pc, left=left, done=done)

    before = set(GUARDS)
    with parameters(threshold=3, replace="off"):
        run(50, [])
    pieces = {id(state.piece): state.piece for number, state in GUARDS.items() if number not in before}
    (piece,) = [piece for piece in pieces.values() if piece.parent is None]
    return piece, items


def test_operations_snapshots_and_guards_are_not_tracked() -> None:
    piece, _ = _compiled("aside")
    operations = [op for op in piece.trace.operations if op.args]
    frames = [frame for op in operations if op.snapshot is not None for frame in op.snapshot.frames]
    assert operations
    assert frames
    assert all(isinstance(frame, FrameState) for frame in frames)
    for described in ([piece.trace], operations, frames, piece.guards.values()):
        assert not any(map(gc.is_tracked, described))


def test_collections_call_nothing_of_the_toolkit() -> None:
    """What is called when a collection begins may run a signal's handler, and what that raises would be lost."""
    before = list(gc.callbacks)
    _compiled("callbacks")
    assert gc.callbacks == before


def test_what_the_guest_owns_is_tracked() -> None:
    piece, items = _compiled("owned")
    gc.collect()
    assert gc.is_tracked(items)
    assert gc.is_tracked(piece)
    assert gc.is_tracked(piece.loop)


def test_freed_code_takes_its_trace_along() -> None:
    piece, _items = _compiled("freed")
    loop = piece.loop
    operation = next(op for op in piece.trace.operations if op.snapshot is not None)
    gone = weakref.ref(piece)
    assert loop.recorded is not None
    recorded = loop.recorded[0].operations[0]
    gc.collect()
    assert not gc.is_tracked(operation)
    assert not gc.is_tracked(recorded)
    retire(piece)
    assert gc.is_tracked(operation)
    assert gc.is_tracked(recorded)
    del operation
    loop.piece = loop.recorded = loop.ref.label = None
    del piece
    gc.collect()
    assert gone() is None


def test_a_guest_that_asks_for_all_objects_finds_no_null():
    def count(_i, total):
        for value in gc.get_objects():
            if type(value) is Mortal:
                total += 1
        return total

    kept = [Mortal() for _ in range(3)]
    with parameters(threshold=3, trace_eagerness=3):
        assert fold(count, 10, 0) == 10 * len(kept)


def test_threads_may_be_at_the_same_objects(tmp_path):
    script = tmp_path / "threads.py"
    script.write_text(textwrap.dedent("""
        import sys, threading
        from metatracer.runtime import untracked

        def work():
            for turn in range(200):
                untracked._change([shared], aside=bool(turn % 2))

        sys.setswitchinterval(1e-6)
        shared = [[(number, [number]) for number in range(50)] for _ in range(20)]
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """))
    done = subprocess.run([sys.executable, script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == 0, done.stderr
