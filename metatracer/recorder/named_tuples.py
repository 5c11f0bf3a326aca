"""Named tuples: instances of subclasses of tuple whose items are known when they are made, so that they need not exist."""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import is_plain_tuple
from metatracer.ir.values import Const, Value
from metatracer.recorder.calls import NAMED_FUNCTIONS, intrinsic, set_result
from metatracer.recorder.frames import Box, MetaFrame, const_box
from metatracer.recorder.metainterp import is_base
from metatracer.recorder.tuples import guard_tuple_length, new_tuple, tuple_item

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.metainterp import MetaInterpreter


@intrinsic(vars(tuple)["__new__"])
def _new_named_tuple(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """`tuple.__new__(cls, items)` of a display, as in the `__new__` of a named tuple: the items of what it makes are known."""
    if len(boxes) != 2 or not boxes[0].is_const or type(boxes[1].object) is not tuple:
        return False
    cls, items = boxes[0].object, meta.ref(boxes[1])
    count = len(boxes[1].object)
    known: list[Value | None] = [meta.lasting.get((items, "item", index)) for index in range(count)]
    if boxes[1].is_const:
        known = [Const("r", item) for item in boxes[1].object]
    if not isinstance(cls, type) or not is_base(tuple, cls) or cls is tuple or None in known:
        return False
    if is_plain_tuple(cls) and meta.is_steady(cls):
        meta.rely_on_class(cls)
        refs = [item for item in known if item is not None]
        set_result(frame, instruction, Box(tuple.__new__(cls, boxes[1].object), new_tuple(meta, refs, cls)))
        return True
    called = meta.residual_call(frame, instruction, const_box(vars(tuple)["__new__"]), boxes, known=cls)
    assert called.ref is not None
    meta.lasting[called.ref, "length"] = Const("i", count)
    for index, item in enumerate(known):
        assert item is not None
        meta.lasting[called.ref, "item", index] = item
    return True


_Named = namedtuple("_Named", "field")  # noqa: PYI024 - for its methods, whose code all named tuples have


def _replace(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> bool:
    """`x._replace(field=value)`: another one, of whose items some are those of `x`."""
    if not function.is_const or len(arguments) != 1 + len(keywords):
        return False
    target, instance = function.object, arguments[0]
    names = target.__closure__[target.__code__.co_freevars.index("field_names")].cell_contents
    cls: Any = type(instance.object)
    if not is_base(tuple, cls) or len(instance.object) != len(names) or not set(keywords) <= set(names):
        return False
    make = vars(cls).get("_make")
    if not is_plain_tuple(cls) or not meta.is_steady(cls) or type(make) is not classmethod:
        return False
    if getattr(make.__func__, "__code__", None) is not _Named._make.__code__:
        return False
    meta.guard_class(instance)
    meta.rely_on_class(cls)
    owner = meta.ref(instance)
    if not instance.is_const:
        guard_tuple_length(meta, owner, len(names))
    given = dict(zip(keywords, arguments[1:], strict=True))
    boxes = [
        given[name] if name in given else tuple_item(meta, owner, Const("i", index), instance.object[index])
        for index, name in enumerate(names)
    ]
    made = tuple.__new__(cls, [box.object for box in boxes])
    set_result(frame, instruction, Box(made, new_tuple(meta, [meta.ref(box) for box in boxes], cls)))
    return True


NAMED_FUNCTIONS[_Named._replace.__code__] = _replace
