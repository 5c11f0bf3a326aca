"""Text to code for the calculator: one instruction a line, `name:` a label, `#` a comment.

Operands are numbers (`push`), variable names (`load`, `store`) or labels (`jump`, `jump_if_zero`, `call`). Variables are
numbered as they first appear; the command line's numbers go to the ones named by a `params` line.
"""

from __future__ import annotations

(
    PUSH, LOAD, STORE, ADD, SUB, MUL, DIV, MOD, LESS, EQUAL, NOT, DUP, POP, SWAP, JUMP, JUMP_IF_ZERO, PRINT, CHECK, HALT,
) = range(19)  # fmt: skip

_OPERAND = {
    "push": PUSH, "load": LOAD, "store": STORE, "jump": JUMP, "jump_if_zero": JUMP_IF_ZERO,
}  # fmt: skip
_PLAIN = {
    "add": ADD, "sub": SUB, "mul": MUL, "div": DIV, "mod": MOD, "less": LESS, "equal": EQUAL, "not": NOT, "dup": DUP,
    "pop": POP, "swap": SWAP, "print": PRINT, "check": CHECK, "halt": HALT,
}  # fmt: skip


class Program:
    """Assembled code, the number of its variables, and how many of them are parameters."""

    def __init__(self, code: tuple[int, ...], n_variables: int, n_parameters: int) -> None:
        self.code = code
        self.n_variables = n_variables
        self.n_parameters = n_parameters


def assemble(text: str) -> Program:
    """Assemble a program; ValueError names the line of a mistake."""
    code: list[int] = []
    labels: dict[str, int] = {}
    jumps: list[tuple[int, str, int]] = []
    variables: dict[str, int] = {}
    n_parameters = 0
    for lineno, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        word, operands = words[0], words[1:]
        if word == "params":
            for name in operands:
                variables[name] = len(variables)
            n_parameters = len(operands)
        elif word.endswith(":") and not operands:
            labels[word[:-1]] = len(code)
        elif word in _PLAIN and not operands:
            code.append(_PLAIN[word])
        elif word in _OPERAND and len(operands) == 1:
            code.append(_OPERAND[word])
            if word == "push":
                code.append(int(operands[0]))
            elif word in ("load", "store"):
                code.append(variables.setdefault(operands[0], len(variables)))
            else:
                jumps.append((len(code), operands[0], lineno))
                code.append(0)
        else:
            raise ValueError(f"line {lineno}: cannot understand {line.strip()!r}")
    for position, label, lineno in jumps:
        if label not in labels:
            raise ValueError(f"line {lineno}: no label {label!r}")
        code[position] = labels[label]
    code.append(HALT)
    return Program(tuple(code), len(variables), n_parameters)
