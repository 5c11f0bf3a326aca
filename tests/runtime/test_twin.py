"""Resume twins: a frame continued at any instruction gives what the function would have given."""

from __future__ import annotations

import contextlib
import dis
import gc
import sys
import threading
import traceback
import types
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from metatracer.errors import MetatracerError
from metatracer.frontend import evaluator
from metatracer.frontend.decode import jitcode_for
from metatracer.ir.values import NULL_OBJECT
from metatracer.runtime.twin import resume, throw, twin_for

if TYPE_CHECKING:
    from collections.abc import Callable

# --- the corpus: each function takes a log for its side effects -------------------------------------------------------


class Manager:
    def __init__(self, log: list[Any], swallow: bool) -> None:
        self.log = log
        self.swallow = swallow

    def __enter__(self) -> int:
        self.log.append("enter")
        return 7

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        self.log.append(kind.__name__ if kind else None)
        return self.swallow

    def method(self, *args: Any, **named: Any) -> Any:
        self.log.append((args, named))
        return sum(args) + sum(named.values())


class Derived(Manager):
    def method(self, *args: Any, **named: Any) -> Any:
        return super().method(*args, **named) + 1

    def bare_super(self, value: int) -> Any:
        parent = super()
        return parent.method(value)


def loop(log):
    total = 0
    for x in [1, 2, 13, 3]:
        for y in range(2):
            total += x * y
            log.append(total)
    else:
        total += 100
    return total


def while_loop(log):
    n = 4
    total = 0
    while True:
        n -= 1
        if n == 2:
            continue
        if n < 0:
            break
        total = total * 10 + n
    return total


def try_in_loop(log):
    total = 0
    for x in (1, 0, "a", 2):
        try:
            total += 10 // x
        except ZeroDivisionError as error:
            log.append(str(error))
            total += 1000
        except TypeError:
            total += 5
        else:
            total += 1
        finally:
            log.append(x)
    return total


def finally_return(log):
    for x in [1, 2]:
        try:
            if x == 2:
                return log.append("returning") or x
        finally:
            log.append(("finally", x))
    return None


def raises(log):
    try:
        try:
            [][1]  # noqa: PLE0643
        except IndexError:
            log.append(repr(sys.exc_info()[1]))
            raise KeyError("second")
    finally:
        log.append(repr(sys.exc_info()[1]))


def raise_from(log):
    try:
        int("x")
    except ValueError as error:
        raise RuntimeError("wrapped") from error


def reraise(log):
    try:
        try:
            {}[3]
        except KeyError:
            log.append("seen")
            raise
    except LookupError as error:
        log.append(error.__context__)
        return "caught"


def with_blocks(log):
    with Manager(log, True) as value:
        log.append(value)
        1 // 0
    with Manager(log, False), Manager(log, True):
        {}["missing"]
    with Manager(log, False) as value:
        return value + 1


def with_raises(log):
    with Manager(log, False) as value:
        log.append(value)
        raise ValueError("through")


def cells(log):
    count = 0
    names = []

    def bump(by):
        nonlocal count
        count += by
        names.append(count)
        return count

    for x in range(3):
        bump(x)
        count += 1
    del count
    try:
        bump(1)
    except NameError as error:
        log.append(type(error))
    count = 3
    return bump(4), names


def argument_cells(log):
    def inner(a, b=3, *c, d=4, **e):
        def deepest():
            return a, b, c, d, e, log

        a += 1
        return deepest

    return inner(1)()[:5], inner(1, 2, 3, d=5, e=6)()[:5]


def comprehensions(log):
    x = 5
    squares = [x * y for y in range(3) if y != 1]
    pairs = {y: [z for z in range(y)] for y in range(3)}  # noqa: C416
    functions = [lambda: y for y in range(3)]
    return squares, pairs, {y % 2 for y in squares}, [f() for f in functions], x


def matching(log):
    out = []
    for subject in ([1, 2, 3], {"a": 1, "b": 2}, 5, "text", (1,), None):
        match subject:
            case [first, *rest]:
                out.append((first, rest))
            case {"a": value, **others}:
                out.append((value, others))
            case int(number) if number > 4:
                out.append(number)
            case str() | None:
                out.append("other")
    return out


def calls(log):
    manager = Manager(log, False)
    derived = Derived(log, True)
    x = 2
    a = manager.method(x, manager.method(x + 1, 4), named=derived.method(5, *[6, 7], **{"k": 8}))  # noqa: PIE804
    b = max(len(log), min(x, 3), key=abs)
    c = print if x else None
    return a, b, derived.bare_super(9), derived.method(named=1), c is print


def unbound(log):
    for x in range(3):
        if x == 1:
            here = x
        try:
            log.append(here)
        except UnboundLocalError as error:
            log.append(str(error))
        if x == 1:
            del here
    return here


def chains(log):
    x, y, z = 1, 2, 3
    a = x < y < z > 2
    b = (x and y) or z
    c = (w := x + y) * w
    d = [*range(x), *(y, z)]
    first, *middle, last = "abcd"
    x, y = y, x
    e = f"{a!r:>6}{b}{c:03d}"
    return a, b, c, d, first, middle, last, x, y, e, not x, -y, x if y else z


def nested_handlers(log):
    out = 0
    for x in range(3):
        try:
            try:
                if x:
                    raise KeyError(x)
            except KeyError as error:
                if x == 2:
                    raise IndexError(x)
                out += error.args[0]
            finally:
                out += 10
        except IndexError as error:
            log.append(type(error.__context__))
            with contextlib.suppress(ZeroDivisionError):
                out += 1 // 0
            continue
    return out


def groups(log):
    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2)])
    except* ValueError as group:
        log.append(group.exceptions[0].args)
    except* KeyError as group:
        log.append(group.exceptions[0].args)
    return len(log)


def local_class(log):
    base = Manager

    class Local(base):
        z: int = 3

        def method(self, value):
            return super().method(value) + self.z

    return Local(log, False).method(4)


def many_locals(log):
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = 1
    b0, b1, b2, b3, b4, b5, b6, b7, b8, b9 = range(10)
    get = lambda: (a9, b9)  # noqa: E731
    for b0 in range(2):
        a3, b3 = b3, a3
        a9 += b9
    return a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + b1 + b2 + b3 + b4 + b5 + b6 + b7 + b8 + b0, get()


def no_locals():
    return len(str(1 + len("abc")))


CORPUS = [
    loop,
    while_loop,
    try_in_loop,
    finally_return,
    raises,
    raise_from,
    reraise,
    with_blocks,
    with_raises,
    cells,
    argument_cells,
    comprehensions,
    matching,
    calls,
    unbound,
    chains,
    nested_handlers,
    local_class,
    many_locals,
]


# --- running a function by its JitCode up to an instruction, then by its twin -----------------------------------------


def frame_of(function: types.FunctionType, *args: Any) -> Any:
    jitcode = jitcode_for(function.__code__)
    bound = evaluator.bind_arguments(function, args, {})
    registers = bound.values + [NULL_OBJECT] * (jitcode.n_registers - jitcode.n_locals)
    return evaluator._Frame(function, jitcode, registers)


def walk(frame: Any, stop: int) -> tuple[int, Any, BaseException | None]:
    """Run a frame up to its `stop`-th event: an instruction that starts, or one that has raised.

    Gives the number of events seen, and the last one. Not a generator: those have a handled exception of their own.
    """
    jitcode, registers = frame.jitcode, frame.registers
    position = jitcode.entry
    count = -1
    while True:
        instruction = jitcode.instructions[position]
        caught: BaseException | None = None
        if instruction.is_start:
            count += 1
            if count == stop:
                return count, instruction, None
        try:
            if instruction.op == "return":
                return count, None, None
            if instruction.op == "reraise":
                caught = registers[instruction.src[0]]
            else:
                position = evaluator._step(frame, instruction, position)
        except evaluator.EvaluationError as error:
            pytest.skip(str(error))
        except BaseException as error:  # noqa: BLE001 - belongs to the function that is run
            caught = error.with_traceback(None)
        if caught is not None:
            if instruction.op not in ("reraise", "raise"):
                count += 1
                if count == stop:
                    return count, instruction, caught
            if instruction.index not in jitcode.handlers:
                return count, None, None
            position = evaluator._unwind(jitcode, registers, instruction, caught)


def state(frame: Any, instruction: Any) -> tuple[list[tuple[int, Any]], tuple[Any, ...]]:
    jitcode = frame.jitcode
    live = jitcode.live_locals[instruction.index]
    n = jitcode.n_locals
    bound = [(i, v) for i, v in enumerate(frame.registers[:n]) if v is not NULL_OBJECT and i in live]
    return bound, tuple(frame.registers[n : n + instruction.depth])


def chain(error: BaseException | None) -> list[Any]:
    found = []
    while error is not None:
        found.append((type(error), str(error), error.__cause__ is not None))
        error = error.__context__
    return found


def outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "value", repr(call())
    except Exception as error:  # noqa: BLE001 - compared
        return "raised", chain(error)


def check_everywhere(function: types.FunctionType, takes_log: bool = True, every: int = 1) -> int:
    log: list[Any] = []
    arguments = (log,) if takes_log else ()
    expected = outcome(lambda: function(*arguments)), repr(log)
    frame = frame_of(function, *arguments)
    count = walk(frame, -1)[0] + 1
    evaluator._set_handled(None)
    twin = twin_for(function)
    for stop in range(0, count, every):
        log.clear()
        frame = frame_of(function, *arguments)
        _, instruction, raised = walk(frame, stop)
        bound, stack = state(frame, instruction)
        if raised is None:
            found = outcome(lambda: twin.resume(function, instruction.index, bound, stack)), repr(log)
        else:
            found = outcome(lambda: twin.throw(function, instruction.index, bound, stack, raised)), repr(log)
        evaluator._set_handled(None)
        assert found == expected, (function.__name__, instruction, raised)
    return count


@pytest.mark.parametrize("function", CORPUS, ids=lambda f: f.__name__)
def test_resuming_at_every_instruction_gives_the_same(function):
    assert check_everywhere(function) > 10


def test_resuming_a_function_without_locals():
    assert check_everywhere(no_locals, takes_log=False) > 5


def test_resuming_in_methods_and_closures():
    seen = []

    def make(offset):
        def add(log):
            log.append(offset)
            return [offset + each for each in range(3)]

        return add

    for number in (5, 6):
        function = make(number)
        check_everywhere(function)
        seen.append(function([]))
    assert seen == [[5, 6, 7], [6, 7, 8]]


def test_resuming_code_with_extended_arguments():
    lines = [f"    v{n} = {n * 1000} + len(log)" for n in range(300)]
    total = " + ".join(f"v{n}" for n in range(300))
    source = "def far(log):\n    for x in (1, 2):\n        log.append(x)\n        if not x:\n"
    source += "\n".join("        " + line for line in lines) + "\n" + "\n".join(lines) + f"\n    return {total}, v299\n"
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    assert check_everywhere(namespace["far"], every=37) > 1000


def test_threads_share_a_twin():
    def function():
        return 1

    found = []
    threads = [threading.Thread(target=lambda: found.append(twin_for(function))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def offsets(function, opname):
    return [i.offset for i in dis.get_instructions(function) if i.opname == opname]


def number(function, name):
    return jitcode_for(function.__code__).local_names.index(name)


# --- exceptions -------------------------------------------------------------------------------------------------------


def divide(a, b):
    c = a + 1
    # fmt: off
    return (
        c
        // b
    )
    # fmt: on


def test_traceback_has_one_entry_with_the_authors_line():
    index = offsets(divide, "BINARY_OP")[1]
    for call in (
        lambda: resume(divide, index, [], (1, 0)),
        lambda: throw(divide, index, [], (1, 0), ZeroDivisionError("given")),
        lambda: twin_for(divide).resume(divide, index, [], (1, 0)),
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            call()
        entries = [e for e in traceback.extract_tb(caught.value.__traceback__) if e.name != "<lambda>"][1:]
        assert [(e.name, e.filename) for e in entries] == [("divide", __file__)]
        with pytest.raises(ZeroDivisionError) as plain:
            divide(1, 0)
        wanted = traceback.extract_tb(plain.value.__traceback__)[-1]
        assert (entries[0].lineno, entries[0].colno, entries[0].end_colno) == (
            wanted.lineno,
            wanted.colno,
            wanted.end_colno,
        )


def test_run_gives_the_exception_with_the_frame_first():
    index = offsets(divide, "BINARY_OP")[1]
    error, value = twin_for(divide).run(divide, index, [], (1, 0))
    assert value is None
    assert [e.name for e in traceback.extract_tb(error.__traceback__)] == ["divide"]


def test_an_exception_is_freed_without_the_garbage_collector():
    index = offsets(divide, "BINARY_OP")[1]
    gc.collect()
    gc.disable()
    try:
        for call in (resume, lambda *frame: throw(*frame, Freed())):
            try:
                call(divide, index, [], (1, Refusing()))
            except Freed as error:
                gone = weakref.ref(error)
            assert gone() is None
    finally:
        gc.enable()


class Freed(Exception):
    pass


class Refusing:
    def __rfloordiv__(self, other):
        raise Freed


def test_throw_keeps_the_inner_traceback_and_the_context():
    index = offsets(divide, "BINARY_OP")[1]
    try:
        divide(1, 0)
    except ZeroDivisionError as error:
        inner = error
    inner.__context__ = context = KeyError("before")
    try:
        raise ValueError("handled now")
    except ValueError:
        error, _ = twin_for(divide).run(divide, index, [], (1, 0), inner)
    assert error is inner
    assert error.__context__ is context
    names = [e.name for e in traceback.extract_tb(error.__traceback__)]
    assert names == ["divide", "test_throw_keeps_the_inner_traceback_and_the_context", "divide"]


def handler_sees(log):
    try:
        log.append(1)
    except ValueError as error:
        log.append(error)
        return "handled"
    finally:
        log.append("finally")


def test_throw_applies_the_exception_table():
    log = []
    given = ValueError("v")
    call = next(i.index for i in jitcode_for(handler_sees.__code__).instructions if i.op == "call")
    assert throw(handler_sees, call, [(0, log)], (1, 2, 3), given) == "handled"
    assert log == [given, "finally"]
    log.clear()
    with pytest.raises(KeyError):
        throw(handler_sees, call, [(0, log)], (1, 2, 3), KeyError("k"))
    assert log == ["finally"]
    assert sys.exc_info()[1] is None


def test_no_signal_is_handled_before_the_frame_has_been_restored():
    """A KeyboardInterrupt raised in the prologue would pass by the author's `finally`."""
    prologue = []
    for instruction in dis.get_instructions(twin_for(handler_sees).code):
        if instruction.opname == "NOP":  # the body's own RESUME
            break
        prologue.append(instruction)
    assert [i.arg for i in prologue if i.opname == "RESUME"] == [2]
    assert not [i for i in prologue if i.opname.startswith("CALL") or i.opname == "JUMP_BACKWARD"]
    assert len(prologue) > 20


# --- what a frame keeps -----------------------------------------------------------------------------------------------


class Token:
    pass


def forget(x, probe):
    x = None  # noqa: F841 - lets go of the argument
    return probe()


def test_temporaries_are_not_kept_alive():
    reference = None

    def values():
        nonlocal reference
        token = Token()
        reference = weakref.ref(token)
        return token

    first = next(i.index for i in jitcode_for(forget.__code__).instructions if i.op == "const")
    error, alive = twin_for(forget).run(forget, first, [(0, values()), (1, lambda: reference())], ())
    assert error is None
    assert alive is None


def consume(items):
    for x in items:
        pass
    return sys.getrefcount(items)


def test_reference_counts_are_as_in_a_call():
    start = next(i.index for i in jitcode_for(consume.__code__).instructions if i.op in ("load_local", "move"))
    items = []
    plain = consume(items)
    _, count = twin_for(consume).run(consume, start, [(0, items)], ())
    assert count == plain


def local_names(a, b):
    if a:
        c = 1
    return sorted(locals())


def test_hidden_locals_are_not_seen():
    start = next(i.index for i in jitcode_for(local_names.__code__).instructions if i.op in ("load_local", "move"))
    assert resume(local_names, start, [(0, 0), (1, 2)], ()) == ["a", "b"]

    def short(a):
        return sorted(locals())

    start = next(i.index for i in jitcode_for(short.__code__).instructions if i.op in ("load_global", "null"))
    assert resume(short, start, [(0, 0)], ()) == ["a"]


def test_locals_shows_the_content_of_cells():
    def outer(a):
        b = 2

        def inner():
            return a, b

        return inner() and locals()

    jitcode = jitcode_for(outer.__code__)
    start = next(i.index for i in jitcode.instructions if i.op == "truth" or i.op.startswith("branch"))
    cells = [(number(outer, "a"), types.CellType(1)), (number(outer, "b"), types.CellType(2))]
    depth = jitcode.depths[start]
    found = resume(outer, start, cells, (True,) * depth)
    assert {name: found[name] for name in "ab"} == {"a": 1, "b": 2}


def test_free_variables_may_be_given_as_cells():
    def make(n):
        def inner(by):
            nonlocal n
            n += by
            return n

        return inner

    function = make(100)
    jitcode = jitcode_for(function.__code__)
    by, n = (jitcode.local_names.index(name) for name in ("by", "n"))
    given = types.CellType(5)
    start = min(index for index, depth in jitcode.depths.items() if not depth and index > 2)
    assert twin_for(function.__code__).run(function, start, [(by, 2), (n, given)], ()) == (None, 7)
    assert given.cell_contents == 7
    assert twin_for(function.__code__).run(function, start, [(by, 2)], ()) == (None, 102)
    assert function(1) == 103


def test_cells_are_shared():
    def outer():
        n = 1

        def bump():
            nonlocal n
            n += 1

        bump()
        return n

    jitcode = jitcode_for(outer.__code__)
    cell = types.CellType(10)
    stores = [i.index for i in jitcode.instructions if i.op == "call"]
    after = next(i.index for i in jitcode.instructions if i.index > stores[-1] and i.op == "load_cell")
    assert resume(outer, after, [(number(outer, "n"), cell)], ()) == 10


def test_code_objects_are_forgotten():
    namespace = {}
    exec("def short_lived(a):\n    return a + 1\n", namespace)
    function = namespace.pop("short_lived")
    twin = twin_for(function)
    assert twin_for(function) is twin
    assert resume(function, offsets(function, "RETURN_VALUE")[0], [], (3,)) == 3
    gone = weakref.ref(function.__code__)
    from metatracer.runtime import twin as module

    key = id(function.__code__)
    assert key in module._twins
    del function, namespace
    gc.collect()
    assert gone() is None
    assert key not in module._twins


def test_names_lines_and_flags_are_the_authors():
    code = twin_for(divide).code
    original = divide.__code__
    for name in ("co_name", "co_qualname", "co_filename", "co_firstlineno", "co_freevars", "co_cellvars", "co_flags"):
        assert getattr(code, name) == getattr(original, name)
    lines = {line for _, _, line in original.co_lines() if line}
    assert {line for _, _, line in code.co_lines() if line} == lines


def test_a_generator_has_no_twin():
    def generator():
        yield 1

    with pytest.raises(MetatracerError, match="generator"):
        twin_for(generator)


def test_an_unknown_offset_is_refused():
    with pytest.raises(MetatracerError, match="offset 3"):
        resume(divide, 3, [], ())


def test_exception_groups_can_be_resumed_where_they_are_understood():
    check_everywhere(groups)
