"""Text to code for the register machine.

A program is a list of functions and classes; registers, labels and callees have names::

    class Point x y
        method sum = point_sum

    func point_sum self
        getfield a self x
        getfield b self y
        add a a b
        return a

    func main n
        loadk i 0
    loop:
        ...
        jtrue t loop
        return i

`;` starts a comment. A `func` line names the argument registers, other registers appear with their first use. A literal
(int, float, string in double quotes, `none`, `true`, `false`) stands only behind `loadk`. `call` and `callmethod` take
the argument registers one by one; they are moved to neighbouring registers when they are not already. Between
`try HANDLER r` and `endtry` a guest error jumps to the label HANDLER with the error's value in r.
"""

from __future__ import annotations

import json
import re

from examples.registervm.bytecode import FORMATS, MOVE, Code, Handler
from examples.registervm.objects import W_FALSE, W_NONE, W_TRUE, W_Class, W_Float, W_Int, W_Root, W_Str

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s;]+|;.*')
_NAMED = {"none": W_NONE, "true": W_TRUE, "false": W_FALSE}


class AssemblyError(Exception):
    """A mistake in a program's text."""


class Program:
    """An assembled program."""

    def __init__(self) -> None:
        self.functions: dict[str, Code] = {}
        self.classes: dict[str, W_Class] = {}


class FunctionAssembler:
    """Collects the instructions of one function; jumps and callees are filled in by `finish`."""

    def __init__(self, program: Program, code: Code, arguments: list[str]) -> None:
        self.program = program
        self.code = code
        self.registers = {name: number for number, name in enumerate(arguments)}
        self.labels: dict[str, int] = {}
        self.ops: list[int] = []
        self.jumps: list[tuple[int, str]] = []
        self.callees: list[tuple[int, str, int]] = []
        self.class_uses: list[tuple[int, str]] = []
        self.constants: dict[tuple[str, str], int] = {}
        self.open_tries: list[tuple[int, str, int]] = []
        self.tries: list[tuple[int, int, str, int]] = []
        self.n_scratch = 0

    def register(self, name: str) -> int:
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise AssemblyError(f"{name!r} is not a register name")
        return self.registers.setdefault(name, len(self.registers))

    def constant(self, w_value: W_Root) -> int:
        key = (w_value.type_name, w_value.display())
        if key not in self.constants:
            self.constants[key] = len(self.code.constants)
            self.code.constants.append(w_value)
        return self.constants[key]

    def label(self, name: str) -> None:
        if name in self.labels:
            raise AssemblyError(f"label {name!r} is defined twice")
        self.labels[name] = len(self.ops)

    def arguments(self, names: list[str]) -> tuple[int, int]:
        """Return (first register, count), moving the arguments together if needed."""
        numbers = [self.register(name) for name in names]
        if not numbers:
            return 0, 0
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            return numbers[0], len(numbers)
        scratch = [self.register(f"__{len(names)}_{number}") for number in range(len(names))]
        for target, source in zip(scratch, numbers):
            self.ops += [MOVE, target, source]
        return scratch[0], len(numbers)

    def instruction(self, name: str, operands: list[str]) -> None:
        if name == "try":
            if len(operands) != 2:
                raise AssemblyError("try takes a label and a register")
            self.open_tries.append((len(self.ops), operands[0], self.register(operands[1])))
            return
        if name == "endtry":
            if not self.open_tries:
                raise AssemblyError("endtry without try")
            start, label, register = self.open_tries.pop()
            self.tries.append((start, len(self.ops), label, register))
            return
        if name not in FORMATS:
            raise AssemblyError(f"unknown instruction {name!r}")
        opcode, form = FORMATS[name]
        count: tuple[int, int] | None = None
        if form.endswith("rn"):
            fixed = len(form) - 2
            count = self.arguments(operands[fixed:])
            operands = operands[:fixed]
            form = form[:-2]
        if len(operands) != len(form):
            raise AssemblyError(f"{name} takes {len(form)} operands, not {len(operands)}")
        self.ops.append(opcode)
        for kind, operand in zip(form, operands):
            self.operand(kind, operand, -1 if count is None else count[1])
        if count is not None:
            self.ops += count

    def operand(self, kind: str, text: str, n_arguments: int) -> None:
        value = 0
        if kind in "wr":
            value = self.register(text)
        elif kind == "k":
            value = self.constant(literal(text))
        elif kind == "s":
            value = self.constant(W_Str(text))
        elif kind == "t":
            self.jumps.append((len(self.ops), text))
        elif kind == "f":
            self.callees.append((len(self.ops), text, n_arguments))
        else:
            self.class_uses.append((len(self.ops), text))
        self.ops.append(value)

    def target(self, label: str) -> int:
        if label not in self.labels:
            raise AssemblyError(f"{self.code.name}: no label {label!r}")
        return self.labels[label]

    def finish(self) -> None:
        if self.open_tries:
            raise AssemblyError(f"{self.code.name}: try without endtry")
        for position, label in self.jumps:
            self.ops[position] = self.target(label)
        for position, name, n_arguments in self.callees:
            callee = self.program.functions.get(name)
            if callee is None:
                raise AssemblyError(f"{self.code.name}: no function {name!r}")
            if callee.n_arguments != n_arguments:
                raise AssemblyError(f"{name} takes {callee.n_arguments} arguments, not {n_arguments}")
            if callee not in self.code.callees:
                self.code.callees.append(callee)
            self.ops[position] = self.code.callees.index(callee)
        for position, name in self.class_uses:
            if name not in self.program.classes:
                raise AssemblyError(f"{self.code.name}: no class {name!r}")
            self.ops[position] = len(self.code.classes)
            self.code.classes.append(self.program.classes[name])
        for start, end, label, register in self.tries:
            self.code.handlers.append(Handler(start, end, self.target(label), register))
        if not self.ops or len(self.ops) in self.labels.values():
            raise AssemblyError(f"{self.code.name} runs off its end")
        self.code.ops = tuple(self.ops)
        self.code.n_registers = len(self.registers)


def literal(text: str) -> W_Root:
    """Return the value that a literal stands for."""
    if text in _NAMED:
        return _NAMED[text]
    if text.startswith('"'):
        return W_Str(json.loads(text))
    try:
        return W_Int(int(text, 0))
    except ValueError:
        pass
    try:
        return W_Float(float(text))
    except ValueError:
        raise AssemblyError(f"{text!r} is not a literal") from None


def assemble(text: str) -> Program:
    """Assemble a whole program; AssemblyError names the line."""
    program = Program()
    functions: list[FunctionAssembler] = []
    methods: list[tuple[W_Class, str, str]] = []
    current_class: W_Class | None = None
    lineno = 0
    try:
        for lineno, line in enumerate(text.splitlines(), 1):
            tokens = [token for token in _TOKEN.findall(line) if not token.startswith(";")]
            if not tokens:
                continue
            word, *rest = tokens
            if word == "func":
                code = Code(rest[0], len(rest) - 1)
                program.functions[rest[0]] = code
                functions.append(FunctionAssembler(program, code, rest[1:]))
            elif word == "class":
                current_class = W_Class(rest[0], {name: number for number, name in enumerate(rest[1:])}, {})
                program.classes[rest[0]] = current_class
            elif word == "method" and current_class is not None and len(rest) == 3:
                methods.append((current_class, rest[0], rest[2]))
            elif not functions:
                raise AssemblyError("an instruction outside of a function")
            elif word.endswith(":") and not rest:
                functions[-1].label(word[:-1])
            else:
                functions[-1].instruction(word, rest)
    except AssemblyError as error:
        raise AssemblyError(f"line {lineno}: {error}") from None
    for cls, name, function in methods:
        if function not in program.functions:
            raise AssemblyError(f"class {cls.name}: no function {function!r}")
        cls.methods[name] = program.functions[function]
    for assembler in functions:
        assembler.finish()
    if "main" not in program.functions:
        raise AssemblyError("no function main")
    return program
