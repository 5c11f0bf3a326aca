"""What a trace may take for granted of the classes of objects, whatever it calls.

The class of an object changes when ``__class__`` is assigned. A trace relies on assumptions that this does not happen, to the
instances of a class that it has seen or to an object that is a constant of it; where they broke too often it does without:
then what is known of classes is forgotten at each call that may run code, and guarded again.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

_FLAGS_OF = type.__dict__["__flags__"].__get__
_MRO_OF = type.__dict__["__mro__"].__get__
_IMMUTABLETYPE = 1 << 8


def keeps_instances(cls: type) -> bool:
    """Whether CPython lets no instance of exactly this class be given another class."""
    return bool(_FLAGS_OF(cls) & _IMMUTABLETYPE) and ModuleType not in _MRO_OF(cls)


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """Which objects keep their class as long as the trace's assumptions hold.

    Attributes:
        settled: Classes (by address) whose instances keep it.
        kept: Constants (by address) that keep theirs.
        has_fickle: There may be values of other classes that can change theirs.
    """

    settled: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()
    has_fickle: bool = False

    def is_settled(self, cls: type) -> bool:
        """Whether a value known to have this class keeps it."""
        return id(cls) in self.settled or keeps_instances(cls)

    def is_kept(self, constant: object) -> bool:
        """Whether the class that a constant has now is the one it has when the trace runs."""
        return id(constant) in self.kept or keeps_instances(type(constant))

    def united(self, other: ClassFacts | None) -> ClassFacts:
        """For a trace with the assumptions of two."""
        if other is None:
            return self
        return ClassFacts(self.settled | other.settled, self.kept | other.kept, self.has_fickle or other.has_fickle)
