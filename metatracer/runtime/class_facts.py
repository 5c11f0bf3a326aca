"""The assumptions that objects keep their class: nobody assigns ``__class__``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.backend.class_assignments import class_assignments
from metatracer.backend.layout import layout
from metatracer.runtime import assumptions
from metatracer.runtime.assumptions import Assumption

if TYPE_CHECKING:
    from metatracer.backend.class_assignments import ClassAssignments
    from metatracer.backend.watchers import ChangeNotices
    from metatracer.runtime.polling import PollWord


class InstancesKeepClass(Assumption):
    """No instance of exactly this class has been given another class since this was made.

    So what is once known of an object's class stays true whatever is called.
    """

    __slots__ = ("_count", "_counter", "cls")

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self._counter = _counting().counter(cls)
        self._count = self._counter.count
        super().__init__((id(cls), self._count))

    @property
    def subject(self) -> tuple[Any, ...]:
        return ("instances", id(self.cls))

    def holds(self) -> bool:
        return self._counter.count == self._count

    def describe(self) -> str:
        return f"instances of {self.cls.__qualname__} keep their class"

    def poll_words(self) -> list[PollWord]:
        shared = assumptions.REGISTRY.polling.shared_words()
        if shared is not None:
            return shared
        return [self._expect(self._counter.address, 8, self._count)]

    def watch(self, watching: ChangeNotices) -> None:
        _counting().watch(self.cls)

    def unwatch(self, watching: ChangeNotices) -> None:
        _counting().unwatch(self.cls)


class ObjectKeepsClass(Assumption):
    """An object that code knows (a constant of it) still has the class that it had when this was made."""

    __slots__ = ("cls", "instance")

    def __init__(self, instance: object) -> None:
        self.instance = instance
        self.cls = type(instance)
        super().__init__((id(instance), id(self.cls)))

    @property
    def subject(self) -> tuple[Any, ...]:
        return ("class of", id(self.instance))

    def holds(self) -> bool:
        return type(self.instance) is self.cls

    def describe(self) -> str:
        return f"a certain {self.cls.__qualname__} object keeps its class"

    def poll_words(self) -> list[PollWord]:
        shared = assumptions.REGISTRY.polling.shared_words()
        if shared is not None:
            return shared
        return [self._expect(id(self.instance) + layout().ob_type, 8, id(self.cls))]

    def watch(self, watching: ChangeNotices) -> None:
        _counting().watch(self.instance)

    def unwatch(self, watching: ChangeNotices) -> None:
        _counting().unwatch(self.instance)


def _counting() -> ClassAssignments:
    counting = class_assignments()
    assert counting is not None
    return counting
