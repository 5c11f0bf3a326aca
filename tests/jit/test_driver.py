"""JitDriver and install: arguments, mistakes, and what happens around a fake runtime."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import warnings
from pathlib import Path

import pytest

import metatracer
import metatracer.runtime
import metatracer.statistics
from metatracer import JitDriver, UntracedWarning, UsageError, install, jit, platforms

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(monkeypatch):
    """A runtime that notes what it is given; the list of (function, driver)."""
    calls: list[tuple[types.FunctionType, JitDriver]] = []
    fake = types.ModuleType("metatracer.runtime.driver")

    def install_portal(function, driver):
        calls.append((function, driver))
        return function

    fake.install_portal = install_portal
    fake.statistics_snapshot = lambda: {"loops_compiled": 3}
    fake.explain_records = lambda: [metatracer.statistics.LoopRecord("d", "here"), {"driver": "e"}]
    fake.enabled = []
    fake.set_enabled = fake.enabled.append
    monkeypatch.setitem(sys.modules, "metatracer.runtime.driver", fake)
    monkeypatch.setattr(metatracer.runtime, "driver", fake, raising=False)
    monkeypatch.setattr(platforms, "unsupported_reason", lambda: "")
    return calls


def _here() -> int:
    return sys._getframe(1).f_lineno


def test_hints_of_the_loop_do_nothing():
    driver = JitDriver(greens=["pc"])
    assert driver.jit_merge_point(pc=1) is None
    assert driver.can_enter_jit(pc=1) is None
    assert driver.loop_header() is None


def test_names_are_kept_in_order():
    driver = JitDriver(greens=["pc", "code"], reds=("stack", "frame"), virtualizables=["frame"])
    assert driver.greens == ("pc", "code")
    assert driver.reds == ("stack", "frame")
    assert driver.virtualizables == ("frame",)
    assert JitDriver(greens=["pc"]).reds is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"greens": "pc"}, "greens must be a list of names of local variables, not 'pc'"),
        ({"greens": ["pc"], "reds": "all"}, 'reds must be a list of names of local variables or "auto"'),
        ({"greens": ["p c"]}, "greens: 'p c' is no name of a local variable"),
        ({"greens": [3]}, "greens: 3 is no name"),
        ({"greens": ["pc", "pc"]}, "greens: pc is there twice"),
        ({"greens": ["pc"], "reds": ["pc"]}, "pc cannot be green and red at once"),
        ({"greens": ["pc"], "reds": ["a"], "virtualizables": ["b"]}, "the virtualizable 'b' must be one of the reds"),
        ({"greens": ["pc"], "virtualizables": ["pc"]}, "the virtualizable 'pc' must be one of the reds"),
        ({"greens": ["pc"], "name": 3}, "name must be a string"),
        ({"greens": ["pc"], "get_printable_location": "x"}, "get_printable_location must be a function, not 'x'"),
    ],
)
def test_mistakes_point_at_the_authors_line(arguments, sentence):
    with pytest.raises(UsageError) as caught:
        JitDriver(**arguments)
    line = _here() - 1
    assert str(caught.value).startswith(f"{__file__}:{line}: ")
    assert sentence in str(caught.value)
    assert (caught.value.filename, caught.value.lineno) == (__file__, line)


def test_printable_location():
    assert JitDriver(["pc", "code"]).printable_location((3, "x" * 80)) == "pc=3, code='" + "x" * 56 + "..."
    assert JitDriver(["pc"], get_printable_location=lambda pc: f"at {pc}").printable_location((3,)) == "at 3"


def test_failing_location_functions_are_shown_not_raised():
    driver = JitDriver(["pc"], get_printable_location=lambda pc: 1 // 0)
    assert "get_printable_location failed: ZeroDivisionError" in driver.printable_location((1,))

    class Odd:
        def __repr__(self):
            raise ValueError("no")

    assert JitDriver(["pc"]).printable_location((Odd(),)) == "pc=<Odd: repr failed: ValueError>"


def test_portal_installs_and_gives_the_same_function_back(installed):
    driver = JitDriver(["pc"])

    @driver.portal
    def run(pc):
        driver.jit_merge_point(pc=pc)

    assert installed == [(run, driver)]
    assert driver.portals == [run]
    assert driver.name == "test_portal_installs_and_gives_the_same_function_back.run"
    assert JitDriver(["pc"], name="x").name == "x"


def _generator(pc):
    yield pc


async def _coroutine(pc):
    return pc


@pytest.mark.parametrize("function", [_generator, _coroutine])
def test_a_generator_is_no_portal(installed, function):
    with pytest.raises(UsageError, match="is a generator or a coroutine and cannot be a portal") as caught:
        JitDriver(["pc"]).portal(function)
    assert (caught.value.filename, caught.value.lineno) == (__file__, function.__code__.co_firstlineno)
    assert installed == []


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (staticmethod(_here), "put @driver.portal below @staticmethod, directly above the def"),
        (len, "goes on a function written in Python, not on <built-in function len>"),
        (int, "goes on a function written in Python"),
    ],
)
def test_other_things_are_no_portals(installed, thing, sentence):
    with pytest.raises(UsageError, match=sentence):
        JitDriver(["pc"]).portal(thing)
    assert installed == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version_info": (3, 10, 1)}, "knows CPython 3.11, 3.12, 3.13, and this is 3.10"),
        ({"platform": "darwin"}, "makes code for 64-bit Linux on x86-64, and this is darwin"),
        ({"maxsize": 2**31 - 1}, "makes code for 64-bit Linux"),
        ({"implementation": types.SimpleNamespace(name="pypy")}, "needs CPython, and this is pypy"),
        ({"gettotalrefcount": int}, "debug build"),
        ({"version_info": (3, 13, 0), "abiflags": "t"}, "free-threaded"),
    ],
)
def test_unsupported_places_run_untraced_with_one_warning(monkeypatch, change, sentence):
    fake = types.SimpleNamespace(
        implementation=sys.implementation,
        version_info=(3, 11, 7),
        platform="linux",
        maxsize=2**63 - 1,
        abiflags="",
    )
    vars(fake).update(change)
    monkeypatch.setattr(platforms, "sys", fake)
    monkeypatch.setattr(platforms.os, "uname", lambda: types.SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(platforms, "_warned", False)
    driver = JitDriver(["pc"])

    def run(pc):
        driver.jit_merge_point(pc=pc)
        return pc

    before = run.__code__
    with pytest.warns(UntracedWarning, match=sentence) as seen:
        assert driver.portal(run) is run
    assert seen[0].filename == __file__
    assert run.__code__ is before
    assert run(4) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        driver.portal(run)


def test_this_machine_is_supported():
    assert platforms.unsupported_reason() == ""


# --- install


def _module(source: str) -> types.ModuleType:
    module = types.ModuleType("guest_module")
    module.__file__ = "guest_module.py"
    exec(compile(source, "guest_module.py", "exec"), vars(module))
    return module


INTERPRETER = """
import functools
from metatracer import JitDriver

driver = JitDriver(greens=["pc"], name="first")
class settings:
    other = JitDriver(greens=["pc"], name="second")

def run(pc):
    while True:
        driver.jit_merge_point(pc=pc)

def wrap(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner

class Node:
    class Inner:
        @staticmethod
        def loop(pc):
            settings.other.jit_merge_point(pc=pc)

    @wrap
    def execute(self, pc):
        x = 1
        driver.jit_merge_point(pc=pc)

    @property
    def value(self):
        pc = 1
        driver.jit_merge_point(
            pc=pc)

def unrelated():
    pass
"""


def test_install_finds_functions_methods_and_what_is_under_decorators(installed):
    module = _module(INTERPRETER)
    found = install(module)
    assert {(function.__qualname__, driver.name) for function, driver in installed} == {
        ("run", "first"),
        ("Node.Inner.loop", "second"),
        ("Node.execute", "first"),
        ("Node.value", "first"),
    }
    assert found == [function for function, _ in installed]


def test_install_leaves_portals_alone(installed):
    module = _module(INTERPRETER)
    install(module)
    count = len(installed)
    assert count == 4
    assert install(module) == []
    assert len(installed) == count


def test_install_does_not_take_functions_of_other_modules(installed):
    module = _module(INTERPRETER)
    other = types.ModuleType("other")
    other.run = module.run
    with pytest.raises(UsageError, match="no function of the module other calls jit_merge_point"):
        install(other)


def test_install_needs_a_module(installed):
    with pytest.raises(UsageError, match="install takes a module object, not 'calc'"):
        install("calc")


@pytest.mark.parametrize(
    ("source", "sentence", "line"),
    [
        ("def run(d, pc):\n    pc = 2\n    d.jit_merge_point(pc=pc)\n", "the object it is called on is not known", 3),
        ("driver = 3\ndef run(pc):\n    driver.jit_merge_point(pc=pc)\n", "driver is not known to be a JitDriver", 3),
        ("def run(pc):\n    a.b.jit_merge_point(pc=pc)\n", "a.b is not known to be a JitDriver", 2),
    ],
)
def test_install_says_where_a_driver_is_not_found(installed, source, sentence, line):
    with pytest.raises(UsageError, match=sentence) as caught:
        install(_module(source))
    assert (caught.value.filename, caught.value.lineno) == ("guest_module.py", line)


def test_install_finds_a_driver_in_a_closure(installed):
    module = _module(
        "from metatracer import JitDriver\n"
        "def make():\n"
        "    hidden = JitDriver(greens=['pc'], name='hidden')\n"
        "    def run(pc):\n"
        "        hidden.jit_merge_point(pc=pc)\n"
        "    return run\n"
        "run = make()\n"
    )
    install(module)
    assert [(function, driver.name) for function, driver in installed] == [(module.run, "hidden")]


# --- what was done


def test_statistics_and_records_come_from_the_runtime(installed):
    assert metatracer.statistics_snapshot() == {"loops_compiled": 3}
    records = metatracer.explain_records()
    assert [record["driver"] for record in records] == ["d", "e"]
    assert records[0]["status"] == "counting"


def test_set_enabled_sets_the_parameter_and_tells_the_runtime(installed):
    driver = JitDriver(["pc"])
    try:
        metatracer.set_enabled(False)
        assert driver.params.enable is False
    finally:
        metatracer.set_enabled(True)
    assert driver.params.enable is True
    assert jit.sys.modules["metatracer.runtime.driver"].enabled == [False, True]


def test_preload_loads_what_the_first_trace_would():
    code = (
        "import sys, metatracer\n"
        "metatracer.preload()\n"
        "before = set(sys.modules)\n"
        "driver = metatracer.JitDriver(greens=[], reds='auto')\n"
        "metatracer.set_param(driver, 'threshold', 10)\n"
        "@driver.portal\n"
        "def count(n):\n"
        "    while n:\n"
        "        driver.jit_merge_point()\n"
        "        n -= 1\n"
        "count(1000)\n"
        "print(metatracer.statistics_snapshot()['loops_compiled'], 'llvmlite' in before)\n"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('metatracer')))\n"
    )
    environment = {**os.environ, "METATRACER": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "1 True\n[]\n"


def test_preload_loads_nothing_where_everything_is_off():
    code = "import sys, metatracer\nmetatracer.preload()\nprint('llvmlite' in sys.modules)"
    environment = {**os.environ, "METATRACER": "off"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"


def test_import_loads_nothing_heavy():
    code = (
        "import sys, metatracer\n"
        "metatracer.JitDriver(greens=['pc'])\n"
        "light = {'inspect', 'dataclasses'} & set(sys.modules)\n"
        "metatracer.statistics_snapshot(), metatracer.explain_records()\n"
        "heavy = {'networkx', 'llvmlite', 'bytecode', 'rich', 'metatracer.runtime.driver'} & set(sys.modules)\n"
        "print(sorted(light | heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_names_exist():
    assert sorted(metatracer.__all__) == sorted(set(metatracer.__all__))
    for name in metatracer.__all__:
        assert hasattr(metatracer, name)
