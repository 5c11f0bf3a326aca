"""How machine code sees that an assumption may have broken: the words it polls, and the values it expects there."""

from __future__ import annotations

import ctypes
import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from metatracer.backend.dict_code import polled_version
from metatracer.backend.watchers import watchers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metatracer.backend.watchers import ChangeNotices

NOISY_DICT = 100
"""Rechecks caused by changes in a dict that concerned nobody, until its items are polled one by one."""


class PollWord(NamedTuple):
    """A word of memory that must equal its expected value.

    Attributes:
        address: Of the word.
        size: In bytes: 1, 4 or 8.
        cell: Address of 8 bytes whose first `size` hold the expected value; both stay valid while the assumption exists.
    """

    address: int
    size: int
    cell: int


class DependentWord(PollWord):
    """A word that exists only if the words listed before it (of the same assumption) have their expected values.

    Machine code must not read it otherwise: the memory may be gone.
    """

    __slots__ = ()


class Cell:
    """An expected value that machine code reads."""

    __slots__ = ("__weakref__", "memory")

    def __init__(self, value: int) -> None:
        self.memory = ctypes.c_uint64(value)

    @property
    def address(self) -> int:
        """Where machine code reads it, as long as this object lives."""
        return ctypes.addressof(self.memory)


class Polling:
    """How changes reach the polled words in this process, and the version tags of dicts.

    Args:
        use_watchers: Use what `backend.watchers` offers in this process, else poll.
    """

    def __init__(self, *, use_watchers: bool) -> None:
        self._use_watchers = use_watchers
        self._lock = threading.RLock()
        self._tag_cells: weakref.WeakValueDictionary[int, Cell] = weakref.WeakValueDictionary()
        self._noise: dict[int, int] = {}

    @property
    def watching(self) -> ChangeNotices | None:
        """What notices changes, or None where memory must be polled."""
        return watchers() if self._use_watchers else None

    @property
    def polls_dicts(self) -> bool:
        """Whether nothing notices changes of dict items, so that memory of the dicts must be polled."""
        watching = self.watching
        return watching is None or not watching.sees_dicts

    def shared_words(self) -> list[PollWord] | None:
        """The one word that tells of changes of classes and functions (and dicts), or None where memory must be polled."""
        watching = self.watching
        return None if watching is None else [PollWord(watching.dirty_address, 8, watching.clean_address)]

    def dict_tag_cell(self, mapping: dict[str, Any]) -> Cell:
        """The cell with the version tag of a dict, common to all assumptions about it.

        Sharing it is sound because it is only brought up to date after *all* registered assumptions were checked.
        """
        with self._lock:
            cell = self._tag_cells.get(id(mapping))
            if cell is None:
                cell = self._tag_cells[id(mapping)] = Cell(polled_version(id(mapping)))
            return cell

    def is_noisy(self, mapping: dict[str, Any]) -> bool:
        """Whether the dict changes so often in other items that its tag is no use."""
        return self._noise.get(id(mapping), 0) >= NOISY_DICT

    def current_tags(self, mappings: Iterable[int]) -> dict[int, int]:
        """Version tags of those of the dicts (by address) that somebody polls. Read them before checking anything."""
        return {mapping: polled_version(mapping) for mapping in mappings if mapping in self._tag_cells}

    def count_noise(self, tags: dict[int, int], concerned: set[int]) -> set[int]:
        """Count changes of dicts that broke nothing.

        Args:
            tags: As from `current_tags`.
            concerned: Dicts in which an assumption broke.

        Returns:
            The dicts that have become noisy by it.
        """
        newly_noisy = set()
        for mapping, tag in tags.items():
            cell = self._tag_cells.get(mapping)
            if cell is not None and cell.memory.value != tag and mapping not in concerned:
                self._noise[mapping] = self._noise.get(mapping, 0) + 1
                if self._noise[mapping] == NOISY_DICT:
                    newly_noisy.add(mapping)
        return newly_noisy

    def expect_tags(self, tags: dict[int, int]) -> None:
        """All assumptions were checked after `tags` were read: machine code may go by them."""
        for mapping, tag in tags.items():
            cell = self._tag_cells.get(mapping)
            if cell is not None:
                cell.memory.value = tag
