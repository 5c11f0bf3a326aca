"""What compiled code takes for granted, and how it is noticed when that stops being true.

An `Assumption` is made by the recorder while the fact holds, travels in ``Trace.assumptions``, and is registered together
with the compiled code. The code polls a few words of memory (`Assumption.poll_words`); when one of them differs from its
expected value, the runtime calls `recheck`, which checks every registered assumption by value. Codes whose assumptions broke
are told so through ``code.invalidate(reason)``, once; for the others the expected values are brought up to date.

How a change reaches the polled words:

* 3.12 and 3.13: CPython's watchers (`backend.watchers`) set one word, the same for everybody.
* 3.11: functions put before CPython's own (`backend.interposers`) set that word for classes and functions. A class that only
  C code can have changed (``PyType_Modified``) is noticed when machine code is next entered from Python. The version
  tags of dicts are polled, one word for each dict.
* When neither is possible: the version tags of the classes and dicts and the fields of the functions themselves are
  polled. The tag of a dict changes with any of its items; after `NOISY_DICT` changes that concerned nobody, code
  compiled from then on polls its items one by one, and code that polls the tag is invalidated.
* Fields of objects (`QuasiFieldIs`) are polled in place on all versions.
* Assignments to ``__class__`` (`runtime.class_facts`): a function put before CPython's own (`backend.class_assignments`)
  sets that word, too, on all versions.

An assumption keeps what it is about alive, so that neither addresses nor identities are used again while it exists. The
registry refers weakly to codes and drops their assumptions when they go.
"""

from __future__ import annotations

import math
import sys
import threading
import weakref
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from metatracer.backend import fields, own_dicts
from metatracer.backend import layout as lay
from metatracer.backend.layout import layout, read_byte, read_signed, read_u32, read_word
from metatracer.ir.values import NULL_OBJECT, Field
from metatracer.runtime.given_code import original_code
from metatracer.runtime.polling import Cell, DependentWord, Polling, PollWord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metatracer.backend.watchers import ChangeNotices

MISSING = NULL_OBJECT
"""The value of a dict item that is absent."""

VOLATILE_BREAKS = 3
"""An assumption that broke so often should not be made again; see `is_volatile`."""
VOLATILE_CLASS_BREAKS = 6
"""The same for classes: to do without is slow, and some are patched a few times while a program starts."""


class Code(Protocol):
    """Compiled code, as far as assumptions know it. It must be weakly referable."""

    def invalidate(self, reason: str) -> None:
        """The code must not run again from its next check on."""


# --- the assumptions ------------------------------------------------------------------------------------------------------


class Assumption:
    """A fact that must stay true. Two are equal when they state the same fact about the same objects.

    Attributes:
        most_breaks: When facts about the same thing broke so often, no more are assumed.
        is_about_class: It says that its `cls` is unchanged.
    """

    __slots__ = ("__weakref__", "_cells", "_hash", "_key")

    most_breaks = VOLATILE_BREAKS
    is_about_class = False

    def __init__(self, key: tuple[Any, ...]) -> None:
        self._key = (type(self).__name__, *key)
        self._hash = hash(self._key)
        self._cells: list[Cell] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Assumption) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}>"

    @property
    def subject(self) -> tuple[Any, ...]:
        """What it is about, without the state that is assumed."""
        raise NotImplementedError

    def holds(self) -> bool:
        """Whether it is true now, checked by value."""
        raise NotImplementedError

    def describe(self) -> str:
        """The fact, for people."""
        raise NotImplementedError

    def parts(self) -> tuple[Assumption, ...]:
        """Further assumptions that this one includes."""
        return ()

    def poll_words(self) -> list[PollWord]:
        """The words that machine code must compare, in this order. Cells live as long as the assumption.

        Each code of a trace (versions, trees) asks for its own: `refresh` is for the words of all of them.
        """
        raise NotImplementedError

    def refresh(self) -> bool:
        """The assumption was found to hold: bring the expected values up to date.

        Returns:
            False when the polled words are not the right ones any more, so that the code cannot be kept.
        """
        return True

    def watch(self, watching: ChangeNotices) -> None:
        """Have changes noticed."""

    def unwatch(self, watching: ChangeNotices) -> None:
        """The opposite of `watch`."""

    def _expect(self, address: int, size: int, value: int, kind: type[PollWord] = PollWord) -> PollWord:
        cell = Cell(value)
        self._cells.append(cell)
        return kind(address, size, cell.address)


class ClassUnchanged(Assumption):
    """Neither the class nor a base has been changed since this was made: attributes, bases, anything.

    It says nothing about the metaclass, nor about instances.
    """

    __slots__ = ("_tag", "cls", "is_immutable")

    most_breaks = VOLATILE_CLASS_BREAKS
    is_about_class = True

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.is_immutable = fields.is_immutable_type(cls)
        self._tag = fields.version_tag(cls)
        super().__init__((id(cls), self._tag))

    @property
    def subject(self) -> tuple[Any, ...]:
        return ("class", id(self.cls))

    def holds(self) -> bool:
        # Tags are never used twice. 0: CPython has run out of tags for this class, so changes could not be noticed.
        return self.is_immutable or (self._tag != 0 and read_u32(id(self.cls) + layout().tp_version_tag) == self._tag)

    def describe(self) -> str:
        return f"class {self.cls.__qualname__} and its bases are unchanged"

    def poll_words(self) -> list[PollWord]:
        if self.is_immutable:
            return []
        shared = REGISTRY.polling.shared_words()
        if shared is not None:
            return shared
        return [self._expect(id(self.cls) + layout().tp_version_tag, 4, self._tag)]

    def watch(self, watching: ChangeNotices) -> None:
        if not self.is_immutable:
            watching.watch_type(self.cls)

    def unwatch(self, watching: ChangeNotices) -> None:
        if not self.is_immutable:
            watching.unwatch_type(self.cls)


class DictItemIs(Assumption):
    """An item of a dict is this very object, or (MISSING) absent: a global, a builtin, or a builtin shining through.

    Numbers of equal value count as the same object.
    """

    __slots__ = ("_current", "_tag_cell", "_words", "key", "mapping", "value")

    def __init__(self, mapping: dict[str, Any], key: str, value: Any) -> None:
        self.mapping = mapping
        self.key = sys.intern(key)
        self.value = self._current = value
        self._tag_cell: Cell | None = None
        self._words: list[list[PollWord]] = []
        super().__init__((id(mapping), self.key, id(value)))

    def is_about(self, mapping: dict[str, Any], key: str) -> bool:
        """Whether this is about that item."""
        return self.mapping is mapping and self.key == key

    @property
    def subject(self) -> tuple[Any, ...]:
        return ("item", id(self.mapping), self.key)

    def holds(self) -> bool:
        if (id(self.mapping), self.key) in _stored_items:
            return False
        return _is_same(dict.get(self.mapping, self.key, MISSING), self.value)

    def describe(self) -> str:
        return f"{self.key} is absent" if self.value is MISSING else f"{self.key} is {_short(self.value)}"

    def poll_words(self) -> list[PollWord]:
        shared = REGISTRY.polling.shared_words()
        if shared is not None and not REGISTRY.polling.polls_dicts:
            return shared
        if REGISTRY.polling.is_noisy(self.mapping):
            words = [self._expect(*word) for word in self._item_words()]
            self._words.append(words)
            return list(words)
        self._tag_cell = REGISTRY.polling.dict_tag_cell(self.mapping)
        return [PollWord(id(self.mapping) + layout().dict_version, 8, self._tag_cell.address)]

    @property
    def polls_tag(self) -> bool:
        """Whether some code polls the whole dict's tag for it."""
        return self._tag_cell is not None

    def _item_words(self) -> list[tuple[int, int, int, type[PollWord]]]:
        """The dict's keys object, its shape, and the entry of the key (or the number of entries, when it is absent).

        Each as address, size, value now, and kind.
        """
        figures = layout()
        address = id(self.mapping)
        keys = read_word(address + figures.dict_keys)
        words = [
            (address + figures.dict_keys, 8, keys, PollWord),
            # The sizes of the tables: with the same sizes, an entry is within the memory of the keys object.
            (keys + 8, 4, read_u32(keys + 8), DependentWord),
        ]
        count = read_signed(keys + figures.keys_nentries)
        if self.value is MISSING:
            return [*words, (keys + figures.keys_nentries, 8, count, DependentWord)]
        is_general = read_byte(keys + figures.keys_kind) == lay.DICT_KEYS_GENERAL
        size, place = (24, 8) if is_general else (16, 0)
        entries = keys + figures.keys_indices + (1 << read_byte(keys + figures.keys_log2_index_bytes))
        for entry in range(entries + place, entries + place + size * count, size):
            found = read_word(entry)
            if found and lay.object_at(found) == self.key:
                value = read_word(entry + 8)
                return [*words, (entry, 8, found, DependentWord), (entry + 8, 8, value, DependentWord)]
        # Not there (any more): a word that never matches makes the code ask.
        return [(address + figures.dict_keys, 8, 0, PollWord)]

    def refresh(self) -> bool:
        if not self._words:
            return True
        self._current = dict.get(self.mapping, self.key, MISSING)
        now = self._item_words()
        places = [word[:2] for word in now]
        if any([word[:2] for word in words] != places for words in self._words):
            return False
        for number, cell in enumerate(self._cells):
            cell.memory.value = now[number % len(now)][2] & 0xFFFFFFFFFFFFFFFF
        return True

    def watch(self, watching: ChangeNotices) -> None:
        watching.watch_dict(self.mapping)
        self._current = dict.get(self.mapping, self.key, MISSING)
        watching.expect_item(self.mapping, self.key, 0 if self._current is MISSING else id(self._current))

    def unwatch(self, watching: ChangeNotices) -> None:
        watching.forget_item(self.mapping, self.key)


_stored_items: set[tuple[int, str]] = set()
"""Items that machine code assigns, in their places: CPython does not know of it, so nothing may be assumed of them."""


class FunctionUnchanged(Assumption):
    """A Python function still has the code and the defaults that it had when this was made.

    The author's code: that it is given a tick at its entry, or loses it again, changes nothing (`given_code`).
    """

    __slots__ = ("_kwdefault_items", "_state", "function")

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self._state = (original_code(function), function.__defaults__, function.__kwdefaults__)
        # The dict of keyword defaults can be changed in place; it belongs to the function.
        keywords = function.__kwdefaults__ or {}
        self._kwdefault_items = tuple([DictItemIs(keywords, name, value) for name, value in keywords.items()])
        super().__init__((id(function), *map(id, self._state)))

    @property
    def subject(self) -> tuple[Any, ...]:
        return ("function", id(self.function))

    def holds(self) -> bool:
        function = self.function
        now = (original_code(function), function.__defaults__, function.__kwdefaults__)
        return all(current is before for current, before in zip(now, self._state, strict=True))

    def describe(self) -> str:
        return f"code and defaults of function {self.function.__qualname__} are unchanged"

    def parts(self) -> tuple[Assumption, ...]:
        return self._kwdefault_items

    def poll_words(self) -> list[PollWord]:
        parts = [word for part in self._kwdefault_items for word in part.poll_words()]
        shared = REGISTRY.polling.shared_words()
        if shared is not None:
            return [*shared, *parts]
        figures = layout()
        places = (figures.function_code, figures.function_defaults, figures.function_kwdefaults)
        values = (self.function.__code__, *self._state[1:])
        words = [
            self._expect(id(self.function) + place, 8, 0 if value is None else id(value))
            for place, value in zip(places, values, strict=True)
        ]
        return [*words, *parts]

    def refresh(self) -> bool:
        for cell in self._cells[::3]:
            cell.memory.value = id(self.function.__code__)
        return True


class QuasiFieldIs(Assumption):
    """A field of an object, declared 'name?' in ``_immutable_fields_``, still has this value (NULL_OBJECT: unset).

    Numbers of equal value count as the same object.
    """

    __slots__ = ("_current", "_polled", "_value_cells", "field", "instance", "value")

    def __init__(self, instance: object, field: Field, value: Any) -> None:
        self._polled: set[int] = set()  # the places in dicts that are polled
        self._value_cells: list[Cell] = []
        self.instance = instance
        self.field = field
        self.value = self._current = value
        super().__init__((id(instance), field.name, field.storage, field.position, id(value)))

    @property
    def subject(self) -> tuple[Any, ...]:
        return ("field", id(self.instance), self.field.name)

    def holds(self) -> bool:
        if self.field.storage != "slot" and not self._is_in_place():
            return False
        return _is_same(fields.read_field(self.instance, self.field), self.value)

    def _is_in_place(self) -> bool:
        """Attributes that moved to or in a dict, or with the object to another class, are not followed."""
        if type(self.instance) is not self.field.owner:
            return False
        if self.field.in_dict:
            return own_dicts.find_place(self.instance, self.field.name) == (self.field.storage, self.field.position)
        return fields.values_address(self.instance) != 0

    def describe(self) -> str:
        return f"field {self.field.name} of a {type(self.instance).__qualname__} object is {_short(self.value)}"

    def poll_words(self) -> list[PollWord]:
        words = self._words_with_value()
        self._value_cells.append(self._cells[-1])
        return words

    def _words_with_value(self) -> list[PollWord]:
        """The words to be polled, that of the value last."""
        value = 0 if self._current is NULL_OBJECT else id(self._current)
        address = id(self.instance)
        if self.field.storage == "slot":
            return [self._expect(address + self.field.position, 8, value)]
        figures = layout()
        # An assigned __class__ may move attributes.
        words = [self._expect(address + figures.ob_type, 8, id(self.field.owner))]
        if self.field.in_dict:
            place = self._place_in_dict()
            self._polled.add(place)
            return [*words, *self._poll_dict(), self._expect(place, 8, value, DependentWord)]
        values = fields.values_address(self.instance)
        if figures.values_mode == "embedded":
            words.append(self._expect(address + figures.values_valid, 1, 1))
            values = address + figures.values_items
        else:
            pointer = address + figures.values_word
            words.append(self._expect(pointer, 8, read_word(pointer)))
        place = values + lay.WORD * self.field.position
        return [*words, self._expect(place, 8, value, DependentWord)]

    def _poll_dict(self) -> list[PollWord]:
        """The words that say that the attribute is where it was in the dict: each makes sure that the next exists."""
        figures = layout()
        mapping = own_dicts.own_dict(self.instance)
        assert mapping is not None
        keys = own_dicts.keys_address(mapping)
        words = [self._expect(id(self.instance) + own_dicts.dict_place(self.field.owner), 8, id(mapping))]
        places = [id(mapping) + figures.dict_keys]
        if self.field.storage == "split":
            places.append(id(mapping) + figures.dict_values)
        else:
            words.append(self._expect(places.pop(), 8, keys, DependentWord))
            shape = keys + figures.keys_log2_index_bytes
            words += [self._expect(place, 1, read_byte(place), DependentWord) for place in (shape, shape + 1)]
            places.append(keys + own_dicts.entry_offset(self.field.position))
        return words + [self._expect(place, 8, read_word(place), DependentWord) for place in places]

    def _place_in_dict(self) -> int:
        mapping = own_dicts.own_dict(self.instance)
        assert mapping is not None
        if self.field.storage == "split":
            return own_dicts.values_start(mapping) + lay.WORD * self.field.position
        return own_dicts.keys_address(mapping) + own_dicts.entry_offset(self.field.position) + lay.WORD

    def refresh(self) -> bool:
        self._current = fields.read_field(self.instance, self.field)
        for cell in self._value_cells:
            cell.memory.value = 0 if self._current is NULL_OBJECT else id(self._current)
        return not self._polled or self._polled == {self._place_in_dict()}


def _is_same(current: Any, value: Any) -> bool:
    """The same object, or numbers that cannot be told apart."""
    if current is value:
        return True
    if type(current) is not type(value) or type(value) not in (int, float):
        return False
    return bool(current == value) and math.copysign(1, current) == math.copysign(1, value)


def _short(value: Any) -> str:
    if value is MISSING:
        return "unset"
    if isinstance(value, (int, float, str, bytes)):
        return ascii(value)[:60]
    name = value.__name__ if isinstance(value, (type, FunctionType)) else "object"
    return f"{type(value).__qualname__} {name}"


# --- the registry -----------------------------------------------------------------------------------------------------------


class _Record:
    """A registered code: weakly, with its assumptions."""

    __slots__ = ("assumptions", "code")

    def __init__(self, code: weakref.ref[Code], assumptions: tuple[Assumption, ...]) -> None:
        self.code = code
        self.assumptions = assumptions


class Registry:
    """Which codes rely on which assumptions. Thread-safe; codes are told of their end outside the lock.

    Args:
        use_watchers: Use what `backend.watchers` offers in this process, else poll.

    Attributes:
        polling: Which words the code of this registry polls.
    """

    def __init__(self, *, use_watchers: bool = True) -> None:
        self.polling = Polling(use_watchers=use_watchers)
        self._lock = threading.RLock()
        self._records: dict[int, _Record] = {}
        self._users: dict[Assumption, int] = {}
        self._watched: dict[tuple[Any, ...], int] = {}
        self._breaks: dict[tuple[Any, ...], int] = {}
        self._telling = 0

    # --- used by the runtime

    def register(self, assumptions: Iterable[Assumption], code: Code) -> bool:
        """`code` relies on `assumptions` until it is collected, forgotten, or one of them breaks.

        Returns:
            False when one of them does not hold any more; `code` has then been invalidated and is not registered.
        """
        whole = tuple(_expand(assumptions))
        with self._lock:
            record = _Record(weakref.ref(code, self._forgetter(id(code))), whole)
            self._records[id(code)] = record
            for assumption in whole:
                self._retain(assumption)
            broken = [assumption for assumption in whole if not assumption.holds()]
            if broken:
                self._count_breaks(broken)
                self._forget(id(code))
        if broken:
            code.invalidate(f"no longer true: {broken[0].describe()}")
        return not broken

    def note_stored_item(self, mapping: dict[str, Any], key: str) -> None:
        """Machine code will assign an item in its place: whatever relies on it is invalidated."""
        if (id(mapping), key) not in _stored_items:
            _stored_items.add((id(mapping), key))
            self._recheck_all()

    def recheck(self, code: Code) -> bool:
        """Answer a poll word that differed: check all registered assumptions, invalidate codes, refresh expected values.

        Returns:
            Whether `code` is still registered, and so valid.
        """
        self._recheck_all()
        with self._lock:
            return id(code) in self._records

    def _recheck_all(self) -> None:
        with self._lock:
            invalid, tags = self._check_all()
            self._telling += 1
        try:
            for victim, reason in invalid:
                victim.invalidate(reason)
        finally:
            # Not before: another thread's code that is not told yet must not find the words as it expects them.
            with self._lock:
                self._telling -= 1
                self.polling.expect_tags(tags)
                if not self._telling and self.polling.watching is not None:
                    self.polling.watching.end_check()

    def forget(self, code: Code) -> None:
        """`code` is retired: it relies on nothing any more."""
        self._forget(id(code))

    def is_volatile(self, assumption: Assumption) -> bool:
        """Whether assumptions about the same thing broke so often that none should be made."""
        return self._breaks.get(assumption.subject, 0) >= assumption.most_breaks

    def is_volatile_class(self, cls: type) -> bool:
        """`is_volatile` of `ClassUnchanged`, which need not be made for that."""
        return self._breaks.get(("class", id(cls)), 0) >= VOLATILE_CLASS_BREAKS

    def note_break(self, assumption: Assumption, weight: int) -> None:
        """Something that is about to happen breaks such assumptions."""
        with self._lock:
            self._breaks[assumption.subject] = self._breaks.get(assumption.subject, 0) + weight

    def registered(self) -> Iterator[tuple[Code, tuple[Assumption, ...]]]:
        """The registered codes that are alive, with their assumptions."""
        with self._lock:
            records = list(self._records.values())
        for record in records:
            code = record.code()
            if code is not None:
                yield code, record.assumptions

    # --- inside, with the lock held

    def _check_all(self) -> tuple[list[tuple[Code, str]], dict[int, int]]:
        """The codes that are to be told, and the tags of dicts that may be expected when they have been."""
        watching = self.polling.watching
        if watching is not None:
            watching.begin_check()
        tags = self.polling.current_tags({id(item.mapping) for item in self._users if isinstance(item, DictItemIs)})
        broken = {assumption for assumption in list(self._users) if not assumption.holds()}
        self._count_breaks(broken)
        concerned = {id(item.mapping) for item in broken if isinstance(item, DictItemIs)}
        newly_noisy = self.polling.count_noise(tags, concerned)
        invalid: list[tuple[Code, str]] = []
        for number, record in list(self._records.items()):
            culprit = next(filter(broken.__contains__, record.assumptions), None) if broken else None
            if culprit is not None:
                self._forget(number)
                reason = f"no longer true: {culprit.describe()}"
            elif not _refresh_all(record.assumptions, newly_noisy):
                self._forget(number)
                reason = "a module's globals change too often to be checked as a whole"
            else:
                continue
            code = record.code()
            if code is not None:
                invalid.append((code, reason))
        if watching is not None:
            for assumption in self._users:
                if isinstance(assumption, DictItemIs):
                    assumption.watch(watching)  # a number of equal value may be another object now
        return invalid, tags

    def _retain(self, assumption: Assumption) -> None:
        count = self._users.get(assumption, 0)
        self._users[assumption] = count + 1
        watching = self.polling.watching
        if count or watching is None:
            return
        for watched in _watched(assumption):
            self._watched[watched] = self._watched.get(watched, 0) + 1
        assumption.watch(watching)

    def _release(self, assumption: Assumption) -> None:
        count = self._users.pop(assumption, 0)
        if count > 1:
            self._users[assumption] = count - 1
            return
        watching = self.polling.watching
        if count == 0 or watching is None:
            return
        for watched in _watched(assumption):
            left = self._watched.pop(watched) - 1
            if left:
                self._watched[watched] = left
            elif watched[0] == "dict":
                watching.unwatch_dict(assumption.mapping)  # type: ignore[attr-defined]
            else:
                assumption.unwatch(watching)

    def _count_breaks(self, broken: Iterable[Assumption]) -> None:
        """One change counts once, however many codes it concerns."""
        for subject in {assumption.subject for assumption in broken}:
            self._breaks[subject] = self._breaks.get(subject, 0) + 1

    def _forget(self, number: int) -> None:
        with self._lock:
            record = self._records.pop(number, None)
            if record is not None:
                for assumption in record.assumptions:
                    self._release(assumption)

    def _forgetter(self, number: int) -> Any:
        """A callback for a weak reference to a code; it keeps the registry alive no longer than it lives."""
        owner = weakref.ref(self)

        def forget(reference: weakref.ref[Code]) -> None:
            registry = owner()
            if registry is not None:
                registry._forget_dead(number, reference)

        return forget

    def _forget_dead(self, number: int, reference: weakref.ref[Code]) -> None:
        with self._lock:
            record = self._records.get(number)
            # The number may already belong to a new code at the same address.
            if record is not None and record.code is reference:
                self._forget(number)


def _expand(assumptions: Iterable[Assumption]) -> Iterator[Assumption]:
    for assumption in assumptions:
        yield assumption
        yield from _expand(assumption.parts())


def _watched(assumption: Assumption) -> tuple[tuple[Any, ...], ...]:
    """What is watched for an assumption; equal keys are watched once."""
    if isinstance(assumption, DictItemIs):
        return (assumption.subject, ("dict", id(assumption.mapping)))
    return (assumption.subject,)


def _refresh_all(assumptions: tuple[Assumption, ...], noisy: set[int]) -> bool:
    """Refresh assumptions that hold; False when their code must go all the same. `noisy`: dicts whose tag is no use."""
    fine = True
    for assumption in assumptions:
        if isinstance(assumption, DictItemIs) and assumption.polls_tag and id(assumption.mapping) in noisy:
            fine = False
        fine = assumption.refresh() and fine
    return fine


REGISTRY = Registry()
"""The process's registry."""


def register(assumptions: Iterable[Assumption], code: Code) -> bool:
    """See `Registry.register`."""
    return REGISTRY.register(assumptions, code)


def recheck(code: Code) -> bool:
    """See `Registry.recheck`."""
    return REGISTRY.recheck(code)


def forget(code: Code) -> None:
    """See `Registry.forget`."""
    REGISTRY.forget(code)


def is_stored_item(mapping: dict[str, Any], key: str) -> bool:
    """Whether machine code assigns an item in its place."""
    return (id(mapping), key) in _stored_items


def is_volatile(assumption: Assumption) -> bool:
    """See `Registry.is_volatile`."""
    return REGISTRY.is_volatile(assumption)
