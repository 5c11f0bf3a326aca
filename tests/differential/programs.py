"""All example programs, with sizes that are quick untraced but long enough to be traced."""

from __future__ import annotations

from pathlib import Path

from tests.differential.differential import ROOT, Scenario

_REGISTERVM_COUNTED = (
    "W_Int", "W_Float", "W_Str", "W_List", "W_Array", "W_Object", "Frame", "GuestError",
)  # fmt: skip

INTERPRETERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "calc": ("examples.calc.calc", ()),
    "brainfuck": ("examples.brainfuck.brainfuck", ("Tape", "Terminal")),
    # Not Frame: traces keep the guest functions that they take for constants, and those keep the frames they close over.
    "astlang": ("examples.astlang.interpreter", ("Instance", "GuestError", "ReturnValue")),
    "registervm": ("examples.registervm.vm", _REGISTERVM_COUNTED),
}
"""Package -> its interpreter's module, and the classes whose objects are counted."""

SMALL: dict[str, tuple[int, ...]] = {
    "calc/count.calc": (1500,),
    "calc/collatz.calc": (60,),
    "calc/factorial.calc": (250,),
    "calc/gcd.calc": (300,),
    "brainfuck/count.bf": (1,),
    "brainfuck/triangle.bf": (40,),
    "brainfuck/alphabet.bf": (60,),
    "astlang/count.ast": (2000,),
    "astlang/fib.ast": (13,),
    "astlang/mandelbrot.ast": (8,),
    "astlang/sieve.ast": (1500,),
    "astlang/objects.ast": (1000,),
    "astlang/closures.ast": (1000,),
    "astlang/strings.ast": (1000,),
    "astlang/branch.ast": (2000,),
    "astlang/errors.ast": (1000,),
    "astlang/bigint.ast": (400,),
    "registervm/count.rvm": (2000,),
    "registervm/mandelbrot.rvm": (8,),
    "registervm/sieve.rvm": (1500,),
    "registervm/matmul.rvm": (8,),
    "registervm/fib.rvm": (13,),
    "registervm/methods.rvm": (1000,),
    "registervm/strings.rvm": (1000,),
    "registervm/branch.rvm": (2000,),
    "registervm/errors.rvm": (1000,),
    "registervm/bigint.rvm": (400,),
}
"""Program -> arguments."""


def program_path(name: str) -> Path:
    """The file of `package/program`."""
    package, _, file = name.partition("/")
    return ROOT / "examples" / package / "programs" / file


def example_scenarios() -> list[Scenario]:
    """A scenario for each example program."""
    scenarios: list[Scenario] = []
    for name, arguments in SMALL.items():
        module, counted = INTERPRETERS[name.partition("/")[0]]
        scenarios.append(
            Scenario(name, interpreter=module, path=str(program_path(name)), arguments=arguments, counted=counted)
        )
    return scenarios
