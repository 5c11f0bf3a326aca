"""What each trace looks like at every stage on its way to machine code, kept as text for `metatracer trace`.

Nothing is kept before `watch` is called, once and for the rest of the process. The passes of the forward walk cooperate
in one walk (see `optimizer.forward`), so there is no moment at which one has run and the next has not. The stage named
after a pass is what comes out when the passes up to it are switched on, made by optimizing the recording again;
"optimized" is the very trace that was compiled.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from metatracer.backend import annotate
from metatracer.errors import UsageError
from metatracer.ir.text import format_trace
from metatracer.optimizer.pipeline import PASSES, optimize, selected_passes
from metatracer.optimizer.verdicts import Contradiction
from metatracer.params import near_names
from metatracer.runtime import compiling, summaries
from metatracer.runtime.versions import only_looking

if TYPE_CHECKING:
    from collections.abc import Collection

    from metatracer.backend.compile import CompiledCode
    from metatracer.ir.values import Trace
    from metatracer.runtime.loops import Piece

STAGES: dict[str, str] = {
    "recorded": "as the recorder gave it",
    **{name: f"with the passes up to {name!r}" for name in PASSES},
    "optimized": "with all passes: what is compiled",
    "llvm": "LLVM's text, as emitted",
    "llvm-passes": "LLVM's text behind its own passes",
    "machine": "machine code, with what it comes from beside it",
}
"""Every stage, in order, with its meaning."""


@dataclass(slots=True)
class WatchedTrace:
    """One compiled trace.

    Attributes:
        number: Of the trace, as in events and logs.
        kind: "loop", "bridge" or "version".
        parent, guard: For a bridge, the number of the trace it hangs on, and the guard.
        recorded_operations, operations: Before and after optimization.
        level: Of compilation.
        texts: By stage; those that were asked for.
    """

    number: int
    kind: str
    name: str
    driver: str
    location: str
    parent: int | None
    guard: str
    recorded_operations: int
    operations: int
    level: int
    machine_code_bytes: int
    texts: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """A copy that json can write."""
        return asdict(self)


class Watch:
    """Keeps the stages of the traces that are made from now on.

    Attributes:
        traces: Those that were compiled, in order.
    """

    def __init__(self, stages: Collection[str], *, snapshots: bool) -> None:
        for name in stages:
            if name not in STAGES:
                raise UsageError(
                    f"there is no stage {name!r}{near_names(name, STAGES)}; there are: {', '.join(STAGES)}"
                )
        self.traces: list[WatchedTrace] = []
        self._stages = frozenset(stages)
        self._snapshots = snapshots
        self._passed: dict[int, tuple[Trace, dict[str, str]]] = {}  # by the optimized trace's id

    def optimized(self, recorded: Trace, how: dict[str, Any], result: Trace) -> None:
        """A recording has been optimized, as `how` says."""
        texts: dict[str, str] = {}
        if "recorded" in self._stages:
            texts["recorded"] = self._text(recorded)
        enabled = selected_passes() if how.get("passes") is None else how["passes"]
        for number, name in enumerate(PASSES, 1):
            if name in self._stages:
                texts[name] = self._with_passes(recorded, how, frozenset(PASSES[:number]) & frozenset(enabled))
        self._passed[id(result)] = (result, texts)

    def _with_passes(self, recorded: Trace, how: dict[str, Any], passes: frozenset[str]) -> str:
        try:
            with summaries.collecting(), only_looking():
                return self._text(optimize(recorded, **{**how, "passes": passes}))
        except Contradiction:
            return "# with these passes it is found that this trace cannot be\n"

    def compiled(self, piece: Piece, recorded: Trace, optimized: Trace, code: CompiledCode) -> None:
        """A trace has been compiled and is in place."""
        _, texts = self._passed.pop(id(optimized), (None, {}))
        record = piece.loop.record
        guard = piece.parent
        kind = "bridge" if guard is not None else "loop" if piece.loop.base is piece.loop else "version"
        watched = WatchedTrace(
            piece.number,
            kind,
            optimized.name,
            record.driver,
            record.location,
            None if guard is None else guard.piece.number,
            "" if guard is None else _guard_text(guard.piece.trace, guard.operation.guard_id),
            len(recorded.operations),
            len(optimized.operations),
            code.level,
            code.size_bytes,
            texts,
        )
        if "optimized" in self._stages:
            texts["optimized"] = self._text(optimized)
        if "llvm" in self._stages:
            texts["llvm"] = code.ir_text
        if "llvm-passes" in self._stages:
            texts["llvm-passes"] = code.llvm_text
        if "machine" in self._stages and code.marks is not None:
            texts["machine"] = code.marks.table(code.level)
        self.traces.append(watched)

    def _text(self, trace: Trace) -> str:
        return format_trace(trace, snapshots=self._snapshots)


def _guard_text(trace: Trace, guard_id: int) -> str:
    for line, op in zip(format_trace(trace, snapshots=False).splitlines()[1:], trace.operations, strict=True):
        if op.guard_id == guard_id:
            return line.strip()
    return ""


def watch(stages: Collection[str], *, snapshots: bool = False) -> Watch:
    """Keep these stages of every trace from now on."""
    compiling.watching = found = Watch(stages, snapshots=snapshots)
    annotate.marking = "machine" in stages
    return found
