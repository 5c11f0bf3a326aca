"""LLVM text of instance fields, lists, tuples and cells.

Stores consume a reference to the stored value and release the old one last, when the object is whole again: the
finalizer that may run sees what it would see in the interpreter.
"""

from __future__ import annotations

from metatracer.backend import support
from metatracer.backend.emit import Emitter, emits
from metatracer.backend.emit_dicts import field_place, guard_absent, guard_field, key_of, own_dict
from metatracer.backend.fields import attribute_words, shadow_check
from metatracer.backend.layout import TPFLAGS_IS_ABSTRACT, TPFLAGS_MANAGED_DICT, WORD, read_word
from metatracer.backend.operands import pointer
from metatracer.backend.reuse import STORE_NEW, Construction
from metatracer.errors import IRError
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Field, Operation, Value

# --- instance fields ----------------------------------------------------------------------------------------------------


def _values_base(e: Emitter, instance: str) -> str:
    """The base that `Layout.values_items` counts from, of an instance that keeps its attributes inline."""
    if e.layout.values_mode == "embedded":
        return instance
    word = e.load("ptr", instance, e.layout.values_word)
    return e.field(word, 1) if e.layout.values_mode == "tagged" else word


def _place(e: Emitter, instance: str, descr: Field) -> tuple[str, str]:
    """Address of a field, and the values base of the instance ("" for slots and fields in dicts)."""
    if descr.storage == "slot":
        return e.field(instance, descr.position), ""
    if descr.in_dict:
        return field_place(e, own_dict(e, instance, descr), descr), ""
    base = _values_base(e, instance)
    return e.field(base, e.layout.values_items + WORD * descr.position), base


@emits(ops.GETFIELD)
def emit_getfield(e: Emitter, op: Operation) -> None:
    place, _ = _place(e, e.arg(op.args[0]), op.descr)
    e.result(op, f"load ptr, ptr {place}")


@emits(ops.SETFIELD)
def emit_setfield(e: Emitter, op: Operation) -> None:
    stored = op.args[1]
    descr: Field = op.descr
    if descr.storage != "slot" and isinstance(stored, Const) and stored.is_null:
        raise IRError(f"deleting the attribute {descr.name} is not an operation of machine code")
    if descr.in_dict:
        # CPython has to know: the collector begins to track the dict, and its version changes.
        mapping, value = own_dict(e, e.arg(op.args[0]), descr), e.arg(stored)
        place = field_place(e, mapping, descr)
        e.call("i32", "dict_put", f"ptr {mapping}, ptr {place}, ptr {key_of(e, descr)}, ptr {value}")
        return
    place, base = _place(e, e.arg(op.args[0]), descr)
    if op in e.plan.unset_fields:
        e.line(f"store ptr {e.arg(stored)}, ptr {place}")
        if base:
            _append_to_order(e, base, descr.position)
        return
    old = e.value(f"load ptr, ptr {place}")
    e.line(f"store ptr {e.arg(stored)}, ptr {place}")
    if not base:
        e.release(old, nullable=True)
        return
    bound, unbound, done = e.new_label("b"), e.new_label("a"), e.new_label("o")
    e.likely(e.value(f"icmp ne ptr {old}, null"), bound, unbound)
    main, e.lines = e.lines, e.cold
    e.block(unbound)
    _append_to_order(e, base, descr.position)
    e.line(f"br label %{done}")
    e.lines = main
    e.block(bound)
    e.release(old)
    e.line(f"br label %{done}")
    e.block(done)


def _append_to_order(e: Emitter, base: str, position: int) -> None:
    """Note that attribute `position` has been bound after the others; see the layout module's docstring."""
    counter = e.field(base, e.layout.values_size)
    count = e.value(f"load i8, ptr {counter}")
    more = e.value(f"add i8 {count}, 1")
    e.line(f"store i8 {more}, ptr {counter}")
    if e.layout.values_mode == "embedded":
        capacity = e.value(f"zext i8 {e.load('i8', base, e.layout.values_capacity)} to i64")
        items = e.value(f"mul i64 {capacity}, {WORD}")
        number = e.value(f"zext i8 {count} to i64")
        offset = e.value(f"add i64 {items}, {number}")
        order = e.field(base, e.layout.values_items)
    else:
        number = e.value(f"zext i8 {more} to i64")
        offset = e.value(f"sub i64 0, {number}")
        order = counter
    e.line(f"store i8 {position}, ptr {e.value(f'getelementptr i8, ptr {order}, i64 {offset}')}")


def _keeps_inline(e: Emitter, instance: str) -> str:
    """An i1: machine code may use the instance's values."""
    if e.layout.values_mode == "embedded":
        valid = e.value(f"icmp ne i8 {e.load('i8', instance, e.layout.values_valid)}, 0")
        no_dict = e.value(f"icmp eq ptr {e.load('ptr', instance, e.layout.dict_word)}, null")
        return e.value(f"and i1 {valid}, {no_dict}")
    word = e.load("i64", instance, e.layout.values_word)
    if e.layout.values_mode == "tagged":
        return e.value(f"trunc i64 {word} to i1")
    return e.value(f"icmp ne i64 {word}, 0")


@emits(ops.GUARD_INLINE_VALUES)
def emit_guard_inline_values(e: Emitter, op: Operation) -> None:
    e.guard(op, _keeps_inline(e, e.arg(op.args[0])))


@emits(ops.GUARD_DICT_FIELD)
def emit_guard_dict_field(e: Emitter, op: Operation) -> None:
    guard_field(e, op)


@emits(ops.GUARD_NOT_SHADOWED)
def emit_guard_not_shadowed(e: Emitter, op: Operation) -> None:
    """What `fields.ShadowCheck` says."""
    instance = e.arg(op.args[0])
    if op.descr.storage == "none":
        words = [e.load("i64", instance, place) for place in attribute_words(op.descr.owner)]
        together = words[0]
        for word in words[1:]:
            together = e.value(f"or i64 {together}, {word}")
        e.guard(op, e.value(f"icmp eq i64 {together}, 0"))
        return
    if op.descr.storage != "inline":
        guard_absent(e, op)
        return
    check = shadow_check(op.descr.owner, op.descr.name)
    if check.kind == "never":
        e.guard(op, "true")
    elif check.kind == "never_holds":
        e.guard(op, "false")
    elif check.kind == "no_dict":
        e.guard(op, e.value(f"icmp eq ptr {e.load('ptr', instance, check.index)}, null"))
    elif check.kind == "no_key":
        names = e.value(f"load i64, ptr {pointer(check.address)}")
        same = e.value(f"icmp eq i64 {names}, {check.count}")
        e.guard(op, e.value(f"and i1 {_keeps_inline(e, instance)}, {same}"))
    else:
        _guard_unset(e, op, instance, check.index)


def _guard_unset(e: Emitter, op: Operation, instance: str, index: int) -> None:
    """The values are looked at only if they are there."""
    look, done, no = e.new_label("k"), e.new_label("w"), e.new_label("h")
    e.likely(_keeps_inline(e, instance), look, no)
    e.cold += [f"{no}:", f"  br label %{done}"]
    e.block(look)
    base = _values_base(e, instance)
    value = e.load("ptr", base, e.layout.values_items + WORD * index)
    unset = e.value(f"icmp eq ptr {value}, null")
    e.line(f"br label %{done}")
    e.block(done)
    e.guard(op, e.value(f"phi i1 [{unset}, %{look}], [false, %{no}]"))


@emits(ops.NEW)
def emit_new(e: Emitter, op: Operation) -> None:
    """What `object.__new__` does: without an instance dict it only allocates.

    With one, `object.__new__` also makes the dict or the values (3.11, 3.12); for abstract classes it raises TypeError.
    """
    flags = read_word(id(op.descr) + e.layout.tp_flags)
    is_own = read_word(id(op.descr) + e.layout.tp_alloc) == read_word(id(object) + e.layout.tp_alloc)
    has_dict = read_word(id(op.descr) + e.layout.tp_dictoffset) != 0
    if is_own and not has_dict and not flags & (TPFLAGS_MANAGED_DICT | TPFLAGS_IS_ABSTRACT):
        e.result(op, f"call ptr {pointer(support.maker_for(op.descr))}(ptr {e.object(op.descr)}) ; a new instance")
        return
    create = pointer(read_word(id(object) + e.layout.tp_new))
    cls, empty = e.object(op.descr), e.object(())
    e.allocated(e.result(op, f"call ptr {create}(ptr {cls}, ptr {empty}, ptr null) ; object.__new__"))
    e.begin_epoch()


# --- lists --------------------------------------------------------------------------------------------------------------


@emits(ops.LIST_LEN, ops.TUPLE_LEN)
def emit_len(e: Emitter, op: Operation) -> None:
    e.alias(op, e.load("i64", e.arg(op.args[0]), e.layout.ob_size))


def _list_place(e: Emitter, sequence: str, index: str) -> str:
    items = e.load("ptr", sequence, e.layout.list_items)
    return e.value(f"getelementptr ptr, ptr {items}, i64 {index}")


@emits(ops.LIST_GETITEM)
def emit_list_getitem(e: Emitter, op: Operation) -> None:
    sequence, index = op.args
    e.result(op, f"load ptr, ptr {_list_place(e, e.arg(sequence), e.arg(index))}")


@emits(ops.LIST_SETITEM)
def emit_list_setitem(e: Emitter, op: Operation) -> None:
    sequence, index, stored = op.args
    place = _list_place(e, e.arg(sequence), e.arg(index))
    old = e.value(f"load ptr, ptr {place}")
    taken, e.put_off = e.put_off, None
    done = ""
    if taken is not None:
        # Often the same object is stored in many places, some of which have it already. Its count would go up and down in
        # memory then, each time behind the time before: in a sieve that was more than half of the loop's time.
        done, other = e.new_label("s"), e.new_label("o")
        e.line(f"br i1 {e.value(f'icmp eq ptr {old}, {e.arg(stored)}')}, label %{done}, label %{other}")
        e.block(other)
        e.retain(e.arg(stored), nullable=taken.nullable)
    e.line(f"store ptr {e.arg(stored)}, ptr {place}")
    e.release(old)
    if done:
        e.line(f"br label %{done}")
        e.block(done)


@emits(ops.LIST_APPEND)
def emit_list_append(e: Emitter, op: Operation) -> None:
    """In place while there is room."""
    sequence, item = (e.arg(value) for value in op.args)
    size = e.load("i64", sequence, e.layout.ob_size)
    allocated = e.load("i64", sequence, e.layout.list_allocated)
    room, grow, done = e.new_label("l"), e.new_label("e"), e.new_label("p")
    failed = e.temporary()
    e.likely(e.value(f"icmp slt i64 {size}, {allocated}"), room, grow)
    e.cold += [
        f"{grow}:",
        f"  {failed} = call i32 {e.function('list_push')}(ptr {sequence}, ptr {item}) ; list_push",
    ]
    main, e.lines = e.lines, e.cold
    e.end_unless(e.value(f"icmp eq i32 {failed}, 0"))
    e.line(f"br label %{done}")
    e.lines = main
    e.block(room)
    e.line(f"store ptr {item}, ptr {_list_place(e, sequence, size)}")
    e.store(f"i64 {e.value(f'add i64 {size}, 1')}", sequence, e.layout.ob_size)
    e.line(f"br label %{done}")
    e.block(done)


@emits(ops.LIST_POP)
def emit_list_pop(e: Emitter, op: Operation) -> None:
    """In place unless `list.pop` would give memory back: when less than half of it would be in use.

    Of a short list it often asks for as much as there is (8 items for 2 to 5): nothing is done then.
    """
    sequence = e.arg(op.args[0])
    size = e.load("i64", sequence, e.layout.ob_size)
    allocated = e.load("i64", sequence, e.layout.list_allocated)
    less = e.value(f"sub i64 {size}, 1")
    item = e.result(op, f"load ptr, ptr {_list_place(e, sequence, less)}")
    half = e.value(f"lshr i64 {allocated}, 1")
    slice_setter = e.function("PyList_SetSlice")
    keep, resize, shrink, done = e.new_label("l"), e.new_label("z"), e.new_label("e"), e.new_label("p")
    ignored, eighth, more, rounded, wanted, is_other, is_last, is_moved = [e.temporary() for _ in range(8)]
    e.likely(e.value(f"icmp sge i64 {less}, {half}"), keep, resize)
    e.cold += [
        f"{resize}:",
        f"  {eighth} = lshr i64 {less}, 3 ; list_resize",
        f"  {more} = add i64 {less}, {eighth}",
        f"  {rounded} = add i64 {more}, 6",
        f"  {wanted} = and i64 {rounded}, -4",
        f"  {is_other} = icmp ne i64 {wanted}, {allocated}",
        f"  {is_last} = icmp eq i64 {less}, 0",
        f"  {is_moved} = or i1 {is_other}, {is_last}",
        f"  br i1 {is_moved}, label %{shrink}, label %{keep}",
        f"{shrink}:",
        f"  call void {e.function('Py_IncRef')}(ptr {item}) ; Py_IncRef",
        f"  {ignored} = call i32 {slice_setter}(ptr {sequence}, i64 {less}, i64 {size}, ptr null) ; PyList_SetSlice",
        f"  br label %{done}",
    ]
    e.block(keep)
    e.store(f"i64 {less}", sequence, e.layout.ob_size)
    e.line(f"br label %{done}")
    e.block(done)


@emits(ops.NEW_LIST)
def emit_new_list(e: Emitter, op: Operation) -> None:
    sequence = e.value(f"call ptr {pointer(support.list_maker(len(op.args)))}() ; a new list")
    if op.args:
        items = e.load("ptr", sequence, e.layout.list_items)
        _fill(e, items, 0, op.args)
    e.alias(op, sequence)


# --- stores of new objects ----------------------------------------------------------------------------------------------


@emits(STORE_NEW)
def emit_store_new(e: Emitter, op: Operation) -> None:
    """In the object that was there, if nobody else refers to it."""
    construction: Construction = op.descr
    holder = e.arg(op.args[0])
    structure = construction.kinds if construction.cls is None else f"({construction.kinds})"
    if construction.store is ops.LIST_SETITEM:
        structure = f"l{structure}"
        args = [f"ptr {holder}", e.typed(op.args[1])]
    elif construction.store is ops.SETFIELD:
        assert construction.field is not None
        args = [f"ptr {_place(e, holder, construction.field)[0]}"]
    else:
        args = [f"ptr {e.field(holder, e.layout.cell_content)}"]
    if construction.cls is not None:
        args += [f"ptr {e.object(construction.cls)}", f"ptr {pointer(support.maker_for(construction.cls))}"]
    args += [e.typed(leaf) for leaf in op.args[construction.first_leaf :]]
    e.line(f"call void {pointer(support.store_new(structure))}({', '.join(args)}) ; store a new {structure}")


# --- tuples and cells ---------------------------------------------------------------------------------------------------


@emits(ops.NEW_TUPLE)
def emit_new_tuple(e: Emitter, op: Operation) -> None:
    args = ", ".join(e.typed(value) for value in op.args)
    e.result(op, f"call ptr {pointer(support.tuple_maker(len(op.args)))}({args}) ; a new tuple")


@emits(ops.NEW_NAMED_TUPLE)
def emit_new_named_tuple(e: Emitter, op: Operation) -> None:
    """What `tuple.__new__` does for a subclass: its allocator, and then the items."""
    allocate = read_word(id(op.descr) + e.layout.tp_alloc)
    arguments = f"ptr {e.object(op.descr)}, i64 {len(op.args)}"
    made = e.allocated(e.result(op, f"call ptr {pointer(allocate)}({arguments}) ; PyType_GenericAlloc"))
    e.begin_epoch()
    _fill(e, made, e.layout.tuple_items, op.args)


def _fill(e: Emitter, base: str, offset: int, values: tuple[Value, ...]) -> None:
    for number, value in enumerate(values):
        e.store(e.typed(value), base, offset + WORD * number)


@emits(ops.TUPLE_GETITEM)
def emit_tuple_getitem(e: Emitter, op: Operation) -> None:
    sequence, index = op.args
    items = e.field(e.arg(sequence), e.layout.tuple_items)
    e.result(op, f"load ptr, ptr {e.value(f'getelementptr ptr, ptr {items}, i64 {e.arg(index)}')}")


@emits(ops.NEW_CELL)
def emit_new_cell(e: Emitter, op: Operation) -> None:
    """An empty cell, then its content: `PyCell_New` would take a second reference."""
    cell = e.allocated(e.call("ptr", "PyCell_New", "ptr null"))
    e.begin_epoch()
    e.store(e.typed(op.args[0]), cell, e.layout.cell_content)
    e.alias(op, cell)


@emits(ops.CELL_GET)
def emit_cell_get(e: Emitter, op: Operation) -> None:
    e.alias(op, e.load("ptr", e.arg(op.args[0]), e.layout.cell_content))


@emits(ops.CELL_SET)
def emit_cell_set(e: Emitter, op: Operation) -> None:
    place = e.field(e.arg(op.args[0]), e.layout.cell_content)
    old = e.value(f"load ptr, ptr {place}")
    e.line(f"store {e.typed(op.args[1])}, ptr {place}")
    e.release(old, nullable=True)
