"""Which classes of objects a recording may go on knowing when code has run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.class_facts import ClassFacts, keeps_instances

if TYPE_CHECKING:
    from metatracer.ir.values import Value
    from metatracer.recorder.metainterp import Host


class KnownClasses:
    """Which objects of a recording keep their class (see `ir.class_facts`), and the assumptions that make it so."""

    def __init__(self, host: Host) -> None:
        self._host = host
        # By address of the class or object; None: not to be relied on.
        self._instances: dict[int, tuple[type, Any | None]] = {}
        self._kept: dict[int, tuple[Any, Any | None]] = {}
        self._fickle: list[Value] = []

    def note(self, value: Value, cls: type) -> None:
        """The trace knows the class of a value."""
        if not keeps_instances(cls) and self.is_fickle(cls):
            self._fickle.append(value)

    def is_fickle(self, cls: type) -> bool:
        """Whether instances of a class that can change it do so too often to rely on the contrary."""
        found = self._instances.get(id(cls))
        if found is None:
            found = self._instances[id(cls)] = (cls, self._host.instances_keep_class(cls))
        return found[1] is None

    def keep(self, constant: Any) -> bool:
        """Rely on a constant's keeping its class; False when that must not be."""
        if keeps_instances(type(constant)):
            return True
        found = self._kept.get(id(constant))
        if found is None:
            found = self._kept[id(constant)] = (constant, self._host.object_keeps_class(constant))
        return found[1] is not None

    def fickle_values(self) -> list[Value]:
        """Values whose class is not known any more once code has run."""
        values, self._fickle = self._fickle, []
        return values

    def facts(self) -> ClassFacts:
        """For the optimizer."""
        settled = frozenset(number for number, (_, assumption) in self._instances.items() if assumption is not None)
        kept = frozenset(number for number, (_, assumption) in self._kept.items() if assumption is not None)
        return ClassFacts(settled, kept, len(settled) < len(self._instances))

    def assumptions(self) -> list[Any]:
        """What `facts` rests on."""
        pairs = (*self._instances.values(), *self._kept.values())
        return [assumption for _, assumption in pairs if assumption is not None]
