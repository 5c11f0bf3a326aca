"""The native build: the modules that record, optimize and emit, compiled with mypyc. Optional, and off by default.

As a build hook it makes a wheel with extension modules (`HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 pip install .`); as a command
(`python hatch_build.py DIRECTORY`) it writes a whole copy of the package into a new directory, to be put on PYTHONPATH.
Nothing is ever built beside the sources: an extension module there would go on being imported after its source has changed.

mypyc compiles a dataclass as a class whose constructor is interpreted, evaluates its annotations, and loses a class that
`slots=True` makes a second time. So the modules are compiled from a copy in which dataclasses are written out
(`without_dataclasses`): their constructors are native code then. What differs for others: these classes are no dataclasses
(`dataclasses.fields` refuses them), and a frozen one does not refuse assignments.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a command, where hatchling need not be installed
    BuildHookInterface = object

PACKAGE = "metatracer"
COMPILED = ("ir/*.py", "optimizer/*.py", "recorder/*.py", "backend/emit*.py", "backend/refcounts.py", "backend/counting.py",
            "backend/reuse*.py")  # fmt: skip
"""What is compiled: globs in the package."""

INTERPRETED = (
    "*/__init__.py",
    "recorder/residual.py",  # called from traces in the guest's name
    "recorder/special_calls.py",  # so is what it ends calls with; and mypyc takes no `__bool__` that gives something else
    "recorder/tracebacks.py",  # looks at frames, its own among them
    # What shows and checks traces, and runs when asked to. (networkx's stubs, which mypyc would believe, say dict for views.)
    *(f"ir/{name}.py" for name in ("evaluator", "graph", "observation", "parser", "printer", "text", "verifier")),
)
"""What of that is not."""


def modules(package: Path) -> list[Path]:
    """The sources to compile, relative to the package's parent."""
    found = {path for pattern in COMPILED for path in package.glob(pattern)}
    left_out = {path for pattern in INTERPRETED for path in package.glob(pattern)}
    return sorted(path.relative_to(package.parent) for path in found - left_out)


# --- what mypyc would not take, or not for what it is ----------------------------------------------------------------------

_KEYWORDS_OF_GCC = {"alignof", "asm", "attribute", "complex", "const", "imag", "inline", "real", "restrict", "signed", "thread",
                    "typeof", "volatile"}  # fmt: skip
"""Which are keywords with two underscores before them, too, and so no fields of a C struct."""

_WHOLE = {"all", "any", "bytes", "dict", "enumerate", "extend", "frozenset", "join", "list", "max", "min", "next", "set",
          "sorted", "sum", "tuple", "update"}  # fmt: skip
"""Whose argument a generator expression may be: they use all of it at once, or mypyc makes a loop of the two."""


def misunderstood(source: str) -> list[str]:
    """What mypyc (2.4) would compile to something else, or fail at without a word; as "line: what"."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            if node.attr in ("__dict__", "__doc__") and isinstance(node.value, ast.Name) and node.value.id == "object":
                found.append(f"{node.lineno}: an attribute of `object` ends mypyc with an IndexError; vars(object) does not")
            if isinstance(node.ctx, ast.Store) and node.attr[:1] == "_" and node.attr[1:] in _KEYWORDS_OF_GCC:
                found.append(f"{node.lineno}: C has no field named _{node.attr}")
            continue
        generators = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.GeneratorExp)]
        is_used_whole = isinstance(node, ast.Starred) or (isinstance(node, ast.Call) and _called(node) in _WHOLE)
        is_unpacked = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
        if generators and not is_used_whole and not is_unpacked:  # an endless one takes all memory
            found.append(f"{generators[0].lineno}: a generator expression would be made into a list at once")
    return found


# --- dataclasses, written out ----------------------------------------------------------------------------------------------


def without_dataclasses(source: str) -> str:
    """The module with each dataclass as a plain class, and `dataclasses.replace` as a method of theirs."""
    lines = source.splitlines(keepends=True)
    edits: list[tuple[int, int, str]] = []
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + column

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                if _called(decorator) == "dataclass":
                    edits += _plain_class(node, decorator, offset)
        elif isinstance(node, ast.Call) and _called(node) == "replace" and node.keywords and len(node.args) == 1:
            (instance,) = node.args
            begin, end = offset(node.lineno, node.col_offset), offset(node.keywords[0].lineno, node.keywords[0].col_offset)
            edits.append((begin, end, f"{ast.get_source_segment(source, instance)}.__replace__("))
    data = source.encode()
    for begin, end, text in sorted(edits, reverse=True):
        data = data[:begin] + text.encode() + data[end:]
    return data.decode().replace(_FUTURE, f"{_FUTURE}; from typing import Any", 1) if edits else source


_FUTURE = "from __future__ import annotations"


def _called(node: ast.expr) -> str:
    function = node.func if isinstance(node, ast.Call) else node
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def _plain_class(node: ast.ClassDef, decorator: ast.expr, offset: Any) -> list[tuple[int, int, str]]:
    options = {} if not isinstance(decorator, ast.Call) else {
        keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords
    }  # fmt: skip
    unknown = set(options) - {"frozen", "slots", "eq"}
    if unknown or node.bases:
        what = ", ".join(map(str, unknown)) or "bases"
        raise ValueError(f"dataclass {node.name} has {what}, which `_plain_class` cannot write out; leave its module out")
    edits = [(offset(decorator.lineno, decorator.col_offset) - 1, offset(decorator.end_lineno, decorator.end_col_offset), "")]
    parameters, body, compared, shown, given = [], [], [], [], []
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or "ClassVar" in ast.unparse(statement.annotation):
            continue
        name, kind, value = ast.unparse(statement.target), ast.unparse(statement.annotation), statement.value
        field = {}
        if isinstance(value, ast.Call) and _called(value) == "field":
            field = {keyword.arg: ast.unparse(keyword.value) for keyword in value.keywords}
            value = None
        if value is not None:
            field["default"] = ast.unparse(value)
        if field.get("init") == "False":
            body.append(f"self.{name}: {kind} = {field['default']}")
        elif "default_factory" in field:
            parameters.append(f"{name}: {kind} | None = None")
            body.append(f"self.{name}: {kind} = {field['default_factory']}() if {name} is None else {name}")
        else:
            parameters.append(f"{name}: {kind} = {field['default']}" if "default" in field else f"{name}: {kind}")
            body.append(f"self.{name}: {kind} = {name}")
        if field.get("init") != "False":
            given.append(name)
        if field.get("compare") != "False":
            compared.append(name)
        if field.get("repr") != "False":
            shown.append(name)
        begin, end = offset(statement.lineno, statement.col_offset), offset(statement.end_lineno, statement.end_col_offset)
        edits.append((begin, end, ""))
    defined = {statement.name for statement in node.body if isinstance(statement, ast.FunctionDef)}
    methods = {"__init__": f"(self, {', '.join(parameters)}) -> None: {'; '.join(body)}"}
    text = ", ".join(f"{name}={{self.{name}!r}}" for name in shown)
    methods["__repr__"] = f"(self) -> str: return f'{node.name}({text})'"
    arguments = ", ".join(f"{name}=changes.get('{name}', self.{name})" for name in given)
    methods["__replace__"] = f"(self, **changes: Any) -> {node.name}: return {node.name}({arguments})"
    if options.get("eq", True):
        own, others = (f"({''.join(f'{who}.{name}, ' for name in compared)})" for who in ("self", "other"))
        equal = f"{own} == {others} if type(other) is {node.name} else NotImplemented"
        methods["__eq__"] = f"(self, other: object) -> bool: return {equal}"
        hashed = f"return hash({own})" if options.get("frozen") else f"raise TypeError('unhashable type: {node.name}')"
        methods["__hash__"] = f"(self) -> int: {hashed}"
    # They stand in the place of the last field.
    written = "\n    ".join(f"def {name}{rest}" for name, rest in methods.items() if name not in defined)
    edits[-1] = (*edits[-1][:2], written)
    return edits


_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.so")

LEVEL = "1"
"""How the C compiler optimizes by default; level 3 takes twice as long."""


# --- building --------------------------------------------------------------------------------------------------------------


def build(package: Path, directory: Path, level: str = LEVEL) -> list[Path]:
    """Compile into a directory, which gets the extension modules alone.

    Args:
        package: The package's sources; they stay as they are.
        directory: Gets `metatracer/ir/values.cpython-*.so` and so on.
        level: Of optimization, as a C compiler spells it.

    Returns:
        The extension modules, relative to the directory.
    """
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    directory = directory.resolve()
    package = package.resolve()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        shutil.copytree(package, work / PACKAGE, ignore=_LEFT_OUT)
        names = modules(work / PACKAGE)
        for path in names:
            source = (work / path).read_text()
            if wrong := misunderstood(source):
                raise ValueError(f"{path}:{wrong[0]}")
            (work / path).write_text(without_dataclasses(source))
        os.chdir(work)  # mypyc's C code names the sources as they are given to it
        try:
            extensions = mypycify(
                ["--ignore-missing-imports", "--allow-untyped-globals", *map(str, names)], opt_level=level, multi_file=True,
                group_name=PACKAGE, target_dir=str(work / "c"),
            )  # fmt: skip
            command = build_ext(Distribution({"name": PACKAGE, "ext_modules": extensions}))
            command.build_lib = str(directory)
            command.build_temp = str(work / "objects")
            command.ensure_finalized()
            command.run()
        finally:
            os.chdir(before)
    return [path.relative_to(directory) for path in sorted(directory.rglob("*.so"))]


class NativeBuildHook(BuildHookInterface):
    """Puts the extension modules into a wheel."""

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling."""
        return ["mypy[mypyc]>=2", "setuptools", *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless the install is editable: sources that are edited must not be shadowed."""
        if version == "editable":
            raise RuntimeError("the native build is for wheels: an editable install would go on importing outdated machine code")
        self._directory = tempfile.TemporaryDirectory()
        directory = Path(self._directory.name)
        for path in build(Path(self.root) / PACKAGE, directory):
            build_data["force_include"][str(directory / path)] = str(path)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up."""
        self._directory.cleanup()


def main() -> None:
    """The command: a copy of the package with extension modules, in a new directory."""
    parser = argparse.ArgumentParser(description="Copy the package into a new directory and compile its hot modules there.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--level", default=LEVEL, choices=["0", "1", "2", "3"], help="of the C compiler's optimization")
    arguments = parser.parse_args()
    if arguments.directory.exists():
        sys.exit(f"{arguments.directory} exists: machine code of other sources may be in it; remove it, or name another one")
    # Compiling takes minutes: the copy is what is compiled, whatever happens to the sources meanwhile.
    shutil.copytree(Path(__file__).parent / PACKAGE, arguments.directory / PACKAGE, ignore=_LEFT_OUT)
    names = build(arguments.directory / PACKAGE, arguments.directory, arguments.level)
    print(f"{len(names)} extension modules; use it with PYTHONPATH={arguments.directory.resolve()}")


if __name__ == "__main__":
    main()
