"""The optional native build: what mypyc is given means the same, and comes back as an extension module."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(hatch_build.__file__).parent

SOURCE = '''\
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Point:
    """Compared by value."""

    x: int
    y: int = 2
    seen: int | None = field(default=None, init=False, repr=False, compare=False)

    def total(self) -> int:
        return self.x + self.y


@dataclass(eq=False, slots=True)
class Bag:
    """Compared by identity."""

    items: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Pair:
    """Compared by value, and not hashable."""

    left: Point
    right: Point | None = None


def moved(point: Point) -> Point:
    return dataclasses.replace(point, x=point.x + 1)
'''


def _executed(source):
    namespace = {"__name__": __name__}
    exec(compile(source, "points.py", "exec"), namespace)
    return namespace


def _facts(namespace):
    point, bag, pair, moved = (namespace[name] for name in ("Point", "Bag", "Pair", "moved"))
    with pytest.raises(TypeError, match="unhashable type"):
        hash(pair(point(1)))
    with pytest.raises(TypeError):
        point()
    return [
        repr(point(1)), repr(bag()), repr(pair(point(1))), point(1).total(), point(1) == point(1, 2), point(1) == point(2),
        point(1) == (1, 2), hash(point(1)) == hash(point(x=1, y=2)), bag() == bag(), bag().items is bag().items,
        pair(point(1)) == pair(point(1)), moved(point(1)), point(1).seen,
    ]  # fmt: skip


def test_a_dataclass_written_out_does_the_same():
    written = hatch_build.without_dataclasses(SOURCE)
    assert "@dataclass" not in written
    assert list(map(str, _facts(_executed(written)))) == list(map(str, _facts(_executed(SOURCE))))


def test_lines_before_and_between_fields_keep_their_numbers():
    written = hatch_build.without_dataclasses(SOURCE).splitlines()
    assert written.index("class Point:") == SOURCE.splitlines().index("class Point:")


@pytest.mark.parametrize("code", [
    "names = (f(x) for x in xs)", "first(f(x) for x in xs)", "for x in (f(y) for y in ys): pass",
    "KIND = object.__dict__['__class__']",
    "self._real = {}",
])  # fmt: skip
def test_what_mypyc_misunderstands_is_found(code):
    assert [text.partition(":")[0] for text in hatch_build.misunderstood(f"import math\n{code}\n")] == ["2"]


@pytest.mark.parametrize("code", [
    "a, b = (f(x) for x in xs)", "any(f(x) for x in xs)", "g(*(f(x) for x in xs))", "object.__new__(C)",
])  # fmt: skip
def test_what_mypyc_understands_is_not_refused(code):
    assert hatch_build.misunderstood(code) == []


def test_every_compiled_module_can_be_rewritten():
    paths = hatch_build.modules(ROOT / "metatracer")
    assert len(paths) > 50
    for path in paths:
        source = (ROOT / path).read_text()
        assert hatch_build.misunderstood(source) == []
        written = hatch_build.without_dataclasses(source)
        called = [hatch_build._called(node) for node in ast.walk(ast.parse(written)) if isinstance(node, ast.Call)]
        assert "dataclass" not in called
        assert "dataclasses.replace" not in written


def test_what_runs_in_the_guests_name_is_left_interpreted():
    paths = {str(path) for path in hatch_build.modules(ROOT / "metatracer")}
    assert "metatracer/recorder/record.py" in paths
    assert not paths & {"metatracer/recorder/residual.py", "metatracer/recorder/tracebacks.py", "metatracer/ir/__init__.py"}


def test_the_command_refuses_a_directory_that_exists(tmp_path):
    ran = subprocess.run([sys.executable, ROOT / "hatch_build.py", tmp_path], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "remove it" in ran.stderr


@pytest.mark.skipif("METATRACER_TEST_NATIVE" not in os.environ, reason="takes half a minute: METATRACER_TEST_NATIVE=1")
def test_a_module_is_compiled(tmp_path):
    pytest.importorskip("mypyc")
    pytest.importorskip("setuptools")
    package = tmp_path / "metatracer"
    (package / "ir").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "ir" / "__init__.py").touch()
    (package / "ir" / "points.py").write_text(SOURCE)
    code = "import hatch_build, pathlib, sys; hatch_build.build(*map(pathlib.Path, sys.argv[1:]), level='0')"
    subprocess.run([sys.executable, "-c", code, package, tmp_path / "out"], check=True, cwd=ROOT, capture_output=True)
    assert list((tmp_path / "out" / "metatracer" / "ir").glob("points.*.so"))
    assert not list(package.rglob("*.so"))
