"""From the syntax tree to instructions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from interpreters.lua import fusion
from interpreters.lua.code import calls, fused, fusedcalls, fusedstores, loops, moves, operators, tables
from interpreters.lua.code.moves import Label as Place
from interpreters.lua.frames import Instruction, Proto
from interpreters.lua.lexer import display_name
from interpreters.lua.operations import Description
from interpreters.lua.parser import parse
from interpreters.lua.shapes import EMPTY_SHAPE, MAX_FIELDS, extend
from interpreters.lua.syntax import (
    Assign, Binary, Block, Call, CallStatement, Constant, Do, Expression, Function, FunctionBody, GenericFor, Goto, If,
    Index, Label, Local, LocalFunction, LocalName, Logical, NumericFor, Parenthesized, Repeat, Return, Statement, Table,
    Unary, UpvalueName, Vararg, Variable, While,
)  # fmt: skip
from interpreters.lua.values import INDEX

if TYPE_CHECKING:
    from collections.abc import Callable

    from interpreters.lua.vm import VM

BINARY_CLASSES: dict[bytes, type[operators.BinaryOperator]] = {
    b"+": operators.Add, b"-": operators.Subtract, b"*": operators.Multiply, b"..": operators.Concatenate,
}  # fmt: skip
COMPARISONS = frozenset([b"==", b"~=", b"<", b">", b"<=", b">="])
CALLS: dict[int, type[calls.Call]] = {0: calls.Call, 1: calls.CallOne, -1: calls.CallOpen}
OPEN = -1
LATE = -2
METHOD_TYPES = (Call, Vararg)
FUSED = (Index, Binary, Unary)


def describe(expression: Expression) -> Description:
    """Return what messages call an expression's value: its kind and its name."""
    if isinstance(expression, LocalName):
        return b"local", expression.variable.name
    if isinstance(expression, UpvalueName):
        return b"upvalue", expression.upvalue.name
    if isinstance(expression, Parenthesized):
        return describe(expression.inner)
    if isinstance(expression, Constant):
        return (b"constant", expression.value) if type(expression.value) is bytes else None
    if isinstance(expression, Index):
        key = expression.key
        if isinstance(key, Constant) and type(key.value) is bytes:
            return (b"global" if is_environment(expression.table) else b"field"), key.value
        if isinstance(key, Constant) and type(key.value) is int and 0 <= key.value < 256:
            return b"field", b"integer index"
        return b"field", b"?"
    return None


def is_environment(expression: Expression) -> bool:
    if isinstance(expression, UpvalueName):
        return expression.upvalue.name == b"_ENV"
    return isinstance(expression, LocalName) and expression.variable.name == b"_ENV"


def is_cell(expression: Expression) -> bool:
    """Whether this is a variable of the function's own that a closure may change.

    PUC Lua leaves a local operand in its register, so what the other operand's calls assign to it counts; the manual
    leaves the order open.
    """
    while isinstance(expression, Parenthesized):
        expression = expression.inner
    return isinstance(expression, LocalName) and expression.variable.is_cell


class FunctionCompiler:
    """Makes the code of one function."""

    def __init__(self, vm: VM, body: FunctionBody, chunk_name: bytes, name: bytes) -> None:
        self.vm = vm
        self.body = body
        self.chunk_name = chunk_name
        proto = self.proto = Proto(name, display_name(chunk_name), chunk_name)
        proto.line = body.line
        proto.last_line = body.last_line
        proto.n_parameters = len(body.parameters)
        proto.is_vararg = body.is_vararg
        proto.fixed = -1 if body.is_vararg else proto.n_parameters
        self.code: list[Instruction] = proto.code
        self.line = body.line
        self.active: list[int] = []  # the registers of the variables in scope, -1 for constants
        self.visible: list[int] = []  # the places in the prototype's `locals` of those that have a name
        self.free = 1
        self.size = 1
        self.vararg_register = 0
        self.fusing = True
        self.deferred: list[tuple[Instruction, Callable[[], object], int, int]] = []

    def compile(self) -> Proto:
        body, proto = self.body, self.proto
        for parameter in body.parameters:
            self.declare(parameter, self.allocate())
        if body.is_vararg:
            self.vararg_register = self.allocate()
        if body.has_tbc:
            proto.tbc_register = self.allocate()
        for parameter in body.parameters:
            if parameter.is_cell:
                self.emit(moves.MakeCell(parameter.register))
        assert body.block is not None
        first = self.free
        self.statements(body.block)
        self.close_scope(body.block, first)
        self.line = body.last_line
        self.emit(calls.Return0())
        self.plain_forms()
        for upvalue in body.upvalues:
            if upvalue.from_parent_register:
                proto.captures.append((True, upvalue.variable.register))
            else:
                proto.captures.append((False, upvalue.parent_index))
            proto.upvalue_names.append(upvalue.name)
        for instruction in self.code:
            instruction.link()
        proto.size = self.size
        return proto

    def emit_fused(self, instruction: Instruction, line: int, plain: Callable[[], object]) -> None:
        """Emit a fused instruction; `plain` will emit what does the same."""
        self.emit(instruction, line)
        self.deferred.append((instruction, plain, self.free, self.line))

    def plain_forms(self) -> None:
        """Emit the plain forms of the fused instructions."""
        self.fusing = False
        for instruction, plain, free, line in self.deferred:
            self.free, self.line = free, line
            instruction.slow = len(self.code)
            plain()
            self.emit(fused.GoOn(instruction.next))

    # --- registers and code

    def allocate(self, count: int = 1) -> int:
        register = self.free
        self.free += count
        self.size = max(self.size, self.free)
        return register

    def declare(self, variable: Variable, register: int) -> None:
        variable.register = register
        self.active.append(register)
        self.visible.append(len(self.proto.locals))
        self.proto.locals.append((variable, register, len(self.code), -1))

    def emit(self, instruction: Instruction, line: int = 0) -> Instruction:
        instruction.pc = len(self.code)
        instruction.next = instruction.pc + 1
        self.code.append(instruction)
        self.proto.lines.append(line or self.line)
        return instruction

    def place(self, place: Place) -> None:
        place.pc = len(self.code)

    def leave_scope(self, depth: int, free: int) -> None:
        """Forget the variables after the first `depth`."""
        gone, named = self.active[depth:], self.proto.locals
        while self.visible and named[self.visible[-1]][1] in gone:
            number = self.visible.pop()
            variable, register, first, _ = named[number]
            named[number] = (variable, register, first, len(self.code))
        del self.active[depth:]
        self.free = free

    # --- statements

    def statements(self, block: Block) -> None:
        for statement in block.statements:
            self.line = statement.line
            free = self.free
            getattr(self, STATEMENTS[type(statement)])(statement)
            if not isinstance(statement, (Local, LocalFunction)):
                self.free = free

    def block(self, block: Block) -> None:
        """Compile a block with a scope of its own."""
        depth, free = len(self.active), self.free
        self.statements(block)
        self.close_scope(block, free)
        self.leave_scope(depth, free)

    def close_scope(self, block: Block, free: int) -> None:
        if any(
            isinstance(statement, Local) and any(variable.attribute == b"close" for variable in statement.variables)
            for statement in block.statements
        ):
            self.line = block.last_line
            self.emit(calls.CloseFrom(self.vm, self.proto.tbc_register, free))

    def statement_local(self, statement: Local) -> None:
        variables = [variable for variable in statement.variables if variable.constant is None]
        base = self.allocate(len(variables))
        values = statement.values
        if len(variables) < len(statement.variables):
            values = values[: len(variables)]
        self.values_to(values, base, len(variables))
        self.line = statement.line
        for number, variable in enumerate(variables):
            self.declare(variable, base + number)
            if variable.is_cell:
                self.emit(moves.MakeCell(base + number))
        if len(variables) < len(statement.variables):
            self.active.append(-1)
        for variable in variables:
            if variable.attribute == b"close":
                self.emit(calls.MarkToClose(self.vm, self.proto.tbc_register, variable.register, variable.name))

    def values_to(self, values: list[Expression], base: int, count: int) -> None:
        """Evaluate an expression list into `count` registers."""
        for number, value in enumerate(values):
            last = number == len(values) - 1
            missing = count - number
            if last and missing != 1 and isinstance(value, METHOD_TYPES):
                self.multiple_to(value, base + number, max(missing, 0))
                return
            if missing > 0:
                self.to(value, base + number)
            else:
                free = self.free
                self.any(value)
                self.free = free
        if count > len(values):
            self.emit(moves.LoadNils(base + len(values), count - len(values)))

    def multiple_to(self, value: Expression, target: int, count: int) -> None:
        """Evaluate a call or `...` into `count` registers, or (OPEN) as a list into one."""
        if isinstance(value, Call):
            self.call(value, target, count)
        else:
            self.emit(calls.Varargs(self.vararg_register, target, count), value.line)

    def statement_local_function(self, statement: LocalFunction) -> None:
        register = self.allocate()
        variable = statement.variable
        self.declare(variable, register)
        if variable.is_cell:
            self.emit(moves.LoadConstant(register, None))
            self.emit(moves.MakeCell(register))
            temporary = self.allocate()
            self.function_to(statement.function, temporary, variable.name)
            self.emit(moves.SetCell(register, temporary))
            self.free = temporary
        else:
            proto = self.function_to(statement.function, register, variable.name)
            proto.itself = tuple(
                number
                for number, upvalue in enumerate(statement.function.body.upvalues)
                if upvalue.variable is variable and upvalue.from_parent_register
            )

    def statement_assign(self, statement: Assign) -> None:
        targets, values = statement.targets, statement.values
        if len(targets) == 1 and len(values) == 1:
            self.assign_one(targets[0], values[0])
            return
        several = any(isinstance(target, LocalName) for target in targets)
        prepared = [self.prepare_target(target, several) for target in targets]
        base = self.allocate(len(targets))
        self.values_to(values, base, len(targets))
        for number in range(len(targets) - 1, -1, -1):
            self.store(targets[number], prepared[number], base + number)

    def assign_one(self, target: Expression, value: Expression) -> None:
        if isinstance(target, LocalName) and not target.variable.is_cell:
            register = target.variable.register
            if isinstance(value, (Logical, Table)):
                # Their parts are put into place one after the other, and may use the variable.
                temporary = self.allocate()
                self.to(value, temporary)
                self.emit(moves.Move(register, temporary))
            else:
                self.to(value, register, describe(target))
            return
        if self.fusing and self.fused_store(target, value):
            return
        prepared = self.prepare_target(target, False, is_late=True)
        name = describe(target)
        if isinstance(value, Function):
            source = self.allocate()
            self.function_to(value, source, value.body.name or (name[1] if name else b""))
        else:
            source = self.any(value)
        self.line = target.line
        if isinstance(target, Index):
            table, key = prepared
            prepared = (
                self.any(target.table) if table == LATE else table,
                self.any(target.key) if key == LATE else key,
            )
        self.store(target, prepared, source)

    def fused_store(self, target: Expression, value: Expression) -> bool:
        """Assign with one instruction, if what it takes are nodes."""
        node = fusion.node_of(value)
        if node is None:
            return False
        instruction: Instruction
        if isinstance(target, UpvalueName):
            instruction = fusedstores.StoreUpvalue(target.index, node)
        elif isinstance(target, LocalName):
            instruction = fusedstores.StoreCell(target.variable.register, node)
        else:
            assert isinstance(target, Index)
            table = fusion.node_of(target.table)
            if table is None:
                return False
            if isinstance(target.key, Constant) and type(target.key.value) is bytes:
                if target.key.value == INDEX:
                    return False  # the table has to know
                instruction = fusedstores.StoreField(table, target.key.value, node)
            else:
                key = fusion.node_of(target.key)
                if key is None:
                    return False
                instruction = fusedstores.StoreItem(table, key, node)
        self.emit_fused(instruction, target.line, lambda: self.assign_one(target, value))
        return True

    def prepare_target(self, target: Expression, copy: bool, *, is_late: bool = False) -> tuple[int, int]:
        """Evaluate what a target consists of: the registers of table and key, LATE for cells if `is_late`."""
        if not isinstance(target, Index):
            return -1, -1
        table, key = target.table, target.key
        if self.is_upvalue_environment(target):
            table_register = -1
        else:
            table_register = LATE if is_late and is_cell(table) else self.any(table, copy)
        if isinstance(key, Constant) and type(key.value) is bytes:
            return table_register, -1
        return table_register, LATE if is_late and is_cell(key) else self.any(key, copy)

    def is_upvalue_environment(self, expression: Index) -> bool:
        table = expression.table
        return expression.is_global and isinstance(table, UpvalueName) and not table.upvalue.variable.is_cell

    def store(self, target: Expression, prepared: tuple[int, int], source: int) -> None:
        if isinstance(target, LocalName):
            register = target.variable.register
            self.emit(moves.SetCell(register, source) if target.variable.is_cell else moves.Move(register, source))
        elif isinstance(target, UpvalueName):
            self.emit(moves.SetUpvalueCell(target.index, source))
        else:
            assert isinstance(target, Index)
            table, key = prepared
            what = describe(target.table)
            if table < 0:
                assert isinstance(target.table, UpvalueName)
                assert isinstance(target.key, Constant)
                self.emit(tables.SetGlobal(self.vm, target.table.index, target.key.value, source, what))
            elif key < 0:
                assert isinstance(target.key, Constant)
                self.emit(tables.SetField(self.vm, table, target.key.value, source, what))
            else:
                self.emit(tables.SetIndex(self.vm, table, key, source, what))

    def statement_call(self, statement: CallStatement) -> None:
        self.call(statement.call, 0, 0)

    def statement_do(self, statement: Do) -> None:
        self.block(statement.block)

    def statement_while(self, statement: While) -> None:
        start, end = Place(), Place()
        self.place(start)
        self.jump_unless(statement.condition, end)
        self.block(statement.block)
        self.emit(moves.Jump(start))
        self.place(end)
        self.place_label(statement.block.end)

    def statement_repeat(self, statement: Repeat) -> None:
        start = Place()
        self.place(start)
        depth, free = len(self.active), self.free
        self.statements(statement.block)
        self.line = statement.condition.line
        if self.has_tbc(statement.block):
            value = self.any(statement.condition)
            self.close_scope(statement.block, free)
            self.emit(moves.JumpIfFalse(value, start))
        else:
            self.jump_unless(statement.condition, start)
        self.leave_scope(depth, free)
        self.place_label(statement.block.end)

    def has_tbc(self, block: Block) -> bool:
        return any(
            isinstance(statement, Local) and any(variable.attribute == b"close" for variable in statement.variables)
            for statement in block.statements
        )

    def place_label(self, label: Label | None) -> None:
        assert label is not None
        if label.place is None:
            label.place = Place()
        self.place(label.place)

    def statement_if(self, statement: If) -> None:
        end = Place()
        for number, (condition, block) in enumerate(statement.clauses):
            following = Place()
            self.line = condition.line
            free = self.free
            self.jump_unless(condition, following)
            self.free = free
            self.block(block)
            if number < len(statement.clauses) - 1 or statement.otherwise is not None:
                self.emit(moves.Jump(end))
            self.place(following)
        if statement.otherwise is not None:
            self.block(statement.otherwise)
        self.place(end)

    def statement_numeric_for(self, statement: NumericFor) -> None:
        depth, free = len(self.active), self.free
        base = self.allocate(4)
        self.to(statement.start, base)
        self.to(statement.limit, base + 1)
        self.to(statement.step or Constant(statement.line, 1), base + 2)
        self.active.extend((base, base + 1, base + 2))
        self.declare(statement.variable, base + 3)
        body, end = Place(), Place()
        self.line = statement.line
        self.emit(loops.ForPrepare(base, end))
        self.place(body)
        if statement.variable.is_cell:
            self.emit(moves.MakeCell(base + 3))
        self.block(statement.block)
        self.emit(loops.ForLoop(base, body), statement.line)
        self.place(end)
        self.leave_scope(depth, free)
        self.place_label(statement.block.end)

    def statement_generic_for(self, statement: GenericFor) -> None:
        depth, free = len(self.active), self.free
        count = len(statement.variables)
        base = self.allocate(5 + count)
        self.values_to(statement.values, base, 4)
        self.active.extend((base, base + 1, base + 2, base + 3))
        tbc = self.proto.tbc_register
        self.line = statement.line
        self.emit(calls.MarkToClose(self.vm, tbc, base + 3, b"(for state)"))
        start, body = Place(), Place()
        self.emit(moves.Jump(start))
        self.place(body)
        for number, variable in enumerate(statement.variables):
            self.declare(variable, base + 4 + number)
            if variable.is_cell:
                self.emit(moves.MakeCell(base + 4 + number))
        self.block(statement.block)
        self.place(start)
        self.emit(loops.IteratorCall(self.vm, base, count), statement.line)
        self.emit(loops.IteratorTest(base, body), statement.line)
        self.leave_scope(depth, free)
        self.place_label(statement.block.end)
        self.emit(calls.CloseFrom(self.vm, tbc, base + 3), statement.block.last_line)

    def statement_return(self, statement: Return) -> None:
        values = statement.values
        if len(values) == 1 and isinstance(values[0], Call) and not statement.inside_tbc:
            self.call(values[0], self.allocate(), OPEN, is_tail=True)
            return
        if self.fusing and len(values) == 1 and not statement.inside_tbc and isinstance(values[0], FUSED):
            node = fusion.node_of(values[0])
            if node is not None:
                self.emit_fused(fusedcalls.ReturnNode(node), values[0].line, lambda: self.statement_return(statement))
                return
        rest = -1
        sources: list[int] = []
        for number, value in enumerate(values):
            if number == len(values) - 1 and isinstance(value, METHOD_TYPES):
                rest = self.allocate()
                self.multiple_to(value, rest, OPEN)
            else:
                sources.append(self.any(value, copy=statement.inside_tbc))
        self.line = statement.line
        if statement.inside_tbc:
            self.emit(calls.CloseFrom(self.vm, self.proto.tbc_register, 0))
        if rest < 0 and len(sources) < 2:
            self.emit(calls.Return1(sources[0]) if sources else calls.Return0())
        else:
            self.emit(calls.ReturnMany(sources, rest))

    def statement_goto(self, statement: Goto) -> None:
        target = statement.target
        assert target is not None
        if target.place is None:
            target.place = Place()
        if statement.tbc_depth > target.tbc_depth:
            level = min((register for register in self.active[target.scope :] if register >= 0), default=self.free)
            self.emit(calls.CloseFrom(self.vm, self.proto.tbc_register, level))
        self.emit(moves.Jump(target.place))

    def statement_label(self, statement: Label) -> None:
        self.place_label(statement)

    # --- expressions

    def any(self, expression: Expression, copy: bool = False) -> int:
        """Evaluate into some register: a variable's own, or a new temporary."""
        if isinstance(expression, LocalName) and not expression.variable.is_cell and not copy:
            return expression.variable.register
        register = self.allocate()
        self.to(expression, register)
        return register

    def to(self, expression: Expression, target: int, name: Description = None) -> None:
        """Evaluate into a register; temporaries are free again afterwards."""
        free = self.free
        if isinstance(expression, Function):
            self.function_to(expression, target, expression.body.name or (name[1] if name else b""))
        elif self.fusing and isinstance(expression, FUSED) and (node := fusion.node_of(expression)) is not None:
            node.target = target
            self.emit_fused(node, expression.line, lambda: self.to(expression, target))
        else:
            getattr(self, EXPRESSIONS[type(expression)])(expression, target)
        self.free = free

    def expression_constant(self, expression: Constant, target: int) -> None:
        self.emit(moves.LoadConstant(target, expression.value))

    def expression_vararg(self, expression: Vararg, target: int) -> None:
        self.emit(calls.Varargs(self.vararg_register, target, 1), expression.line)

    def expression_local(self, expression: LocalName, target: int) -> None:
        variable = expression.variable
        if variable.is_cell:
            self.emit(moves.GetCell(target, variable.register))
        elif variable.register != target:
            self.emit(moves.Move(target, variable.register))

    def expression_upvalue(self, expression: UpvalueName, target: int) -> None:
        kind = moves.GetUpvalueCell if expression.upvalue.variable.is_cell else moves.GetUpvalue
        self.emit(kind(target, expression.index))

    def expression_parenthesized(self, expression: Parenthesized, target: int) -> None:
        self.to(expression.inner, target)

    def expression_index(self, expression: Index, target: int) -> None:
        key = expression.key
        what = describe(expression.table)
        if self.is_upvalue_environment(expression) and isinstance(key, Constant):
            assert isinstance(expression.table, UpvalueName)
            self.emit(tables.GetGlobal(self.vm, target, expression.table.index, key.value, what), expression.line)
            return
        if isinstance(key, Constant) and type(key.value) is bytes:
            table = self.any(expression.table)
            self.emit(tables.GetField(self.vm, target, table, key.value, what), expression.line)
        elif is_cell(expression.table):
            index = self.any(key)
            self.emit(tables.GetIndex(self.vm, target, self.any(expression.table), index, what), expression.line)
        else:
            table = self.any(expression.table)
            self.emit(tables.GetIndex(self.vm, target, table, self.any(key), what), expression.line)

    def expression_call(self, expression: Call, target: int) -> None:
        self.call(expression, target, 1)

    def call(self, expression: Call, target: int, count: int, *, is_tail: bool = False) -> None:
        """Compile a call of which `count` results are wanted; OPEN for all of them, as a list."""
        if self.fusing and not is_tail and self.fused_call(expression, target, count):
            return
        arguments: list[int] = []
        if expression.method is not None:
            function = self.allocate(2)
            receiver = self.any(expression.function)
            what = describe(expression.function)
            self.emit(tables.Self(self.vm, function, receiver, expression.method, what), expression.line)
            arguments.append(function + 1)
            called: Description = (b"method", expression.method)
        else:
            function = self.any(expression.function)
            called = describe(expression.function)
        rest = -1
        for number, value in enumerate(expression.arguments):
            if number == len(expression.arguments) - 1 and isinstance(value, METHOD_TYPES):
                rest = self.allocate()
                self.multiple_to(value, rest, OPEN)
            else:
                arguments.append(self.any(value))
        kind = calls.TailCall if is_tail else CALLS.get(count, calls.CallMany)
        instruction = kind(self.vm, function, arguments, rest, target, count, called)
        instruction.live = self.free
        self.emit(instruction, expression.line)
        if is_tail:
            self.emit(calls.ReturnMany([], target), expression.line)

    def fused_call(self, expression: Call, target: int, count: int) -> bool:
        """Call with one instruction, if what it takes are nodes."""
        called = fusion.node_of(expression.function)
        if called is None:
            return False
        nodes: list[fused.Node] = []
        for value in expression.arguments:
            node = fusion.node_of(value)
            if node is None:
                return False
            nodes.append(node)
        instruction: fusedcalls.NodeCall
        if expression.method is not None:
            make_method = fusedcalls.method_class(count)
            what = (b"method", expression.method)
            instruction = make_method(self.vm, called, expression.method, nodes, target, count, what)
        else:
            make = fusedcalls.call_class(len(nodes), count)
            instruction = make(self.vm, called, nodes, target, count, describe(expression.function))
        instruction.live = self.free
        self.emit_fused(instruction, expression.line, lambda: self.call(expression, target, count))
        return True

    def expression_binary(self, expression: Binary, target: int) -> None:
        operator = expression.operator
        if operator != b".." and is_cell(expression.left):
            right = self.any(expression.right)
            left = self.any(expression.left)
        else:
            left = self.any(expression.left)
            right = self.any(expression.right)
        line = expression.line
        if operator in (b"==", b"~="):
            self.emit(operators.Equal(self.vm, target, left, right, operator == b"=="), line)
        elif operator in COMPARISONS:
            kind = operators.Less if operator in (b"<", b">") else operators.LessEqual
            if operator in (b">", b">="):
                left, right = right, left
            self.emit(kind(self.vm, target, left, right, True), line)
        else:
            make = BINARY_CLASSES.get(operator, operators.BinaryOperator)
            whats = describe(expression.left), describe(expression.right)
            self.emit(make(self.vm, target, operator, left, right, *whats), line)

    def expression_unary(self, expression: Unary, target: int) -> None:
        source = self.any(expression.operand)
        operator = expression.operator
        if operator == b"not":
            self.emit(moves.Not(target, source), expression.line)
        else:
            kind = operators.Length if operator == b"#" else operators.UnaryOperator
            what = describe(expression.operand)
            self.emit(kind(self.vm, target, operator, source, what), expression.line)

    def expression_logical(self, expression: Logical, target: int) -> None:
        end = Place()
        self.to(expression.left, target)
        self.emit((moves.JumpIfFalse if expression.is_and else moves.JumpIfTrue)(target, end))
        self.to(expression.right, target)
        self.place(end)

    def jump_unless(self, condition: Expression, place: Place) -> None:
        """Go to a place if a condition is false."""
        free = self.free
        if isinstance(condition, Parenthesized):
            self.jump_unless(condition.inner, place)
        elif isinstance(condition, Constant):
            if condition.value is None or condition.value is False:
                self.emit(moves.Jump(place))
        elif isinstance(condition, Unary) and condition.operator == b"not":
            self.jump_if(condition.operand, place)
        elif isinstance(condition, Logical):
            if condition.is_and:
                self.jump_unless(condition.left, place)
                self.jump_unless(condition.right, place)
            else:
                here = Place()
                self.jump_if(condition.left, here)
                self.jump_unless(condition.right, place)
                self.place(here)
        else:
            self.branch(condition, place, False)
        self.free = free

    def jump_if(self, condition: Expression, place: Place) -> None:
        """Go to a place if a condition is true."""
        free = self.free
        if isinstance(condition, Parenthesized):
            self.jump_if(condition.inner, place)
        elif isinstance(condition, Constant):
            if condition.value is not None and condition.value is not False:
                self.emit(moves.Jump(place))
        elif isinstance(condition, Unary) and condition.operator == b"not":
            self.jump_unless(condition.operand, place)
        elif isinstance(condition, Logical):
            if condition.is_and:
                here = Place()
                self.jump_unless(condition.left, here)
                self.jump_if(condition.right, place)
                self.place(here)
            else:
                self.jump_if(condition.left, place)
                self.jump_if(condition.right, place)
        else:
            self.branch(condition, place, True)
        self.free = free

    def branch(self, condition: Expression, place: Place, if_true: bool) -> None:
        """Go to a place if a condition, which is no logical operation, is true, or if it is false."""
        if self.fusing and fusion.register_of(condition) < 0:
            instruction = fusion.branch_for(condition, place, if_true)
            if instruction is not None:
                self.emit_fused(instruction, condition.line, lambda: self.branch(condition, place, if_true))
                return
        value = self.any(condition)
        self.emit(moves.JumpIfTrue(value, place) if if_true else moves.JumpIfFalse(value, place))

    def expression_table(self, expression: Table, target: int) -> None:
        if self.record(expression, target):
            return
        self.emit(tables.NewTable(target, expression.is_object), expression.line)
        items: list[int] = []
        first = 1
        base = self.free
        for number, (key, value) in enumerate(expression.fields):
            if key is None:
                if number == len(expression.fields) - 1 and isinstance(value, METHOD_TYPES):
                    rest = self.allocate()
                    self.multiple_to(value, rest, OPEN)
                    self.emit(tables.AppendItems(target, first, items, rest), expression.line)
                    return
                items.append(self.any(value))
                if len(items) == 50:
                    self.emit(tables.AppendItems(target, first, items, -1), expression.line)
                    first += len(items)
                    items = []
                    self.free = base
            else:
                free = self.free
                key_register = self.any(key)
                value_register = self.any(value)
                self.emit(tables.SetField0(target, key_register, value_register), expression.line)
                self.free = free
        if items:
            self.emit(tables.AppendItems(target, first, items, -1), expression.line)

    def record(self, expression: Table, target: int) -> bool:
        """Compile a constructor all of whose keys are different names."""
        shape = EMPTY_SHAPE
        for key, _ in expression.fields:
            if not isinstance(key, Constant) or type(key.value) is not bytes or key.value in shape.indices:
                return False
            longer = extend(shape, key.value)
            if longer is None or len(expression.fields) > MAX_FIELDS // 4:
                return False
            shape = longer
        if not expression.fields:
            return False
        sources = [self.any(value) for _, value in expression.fields]
        self.emit(tables.NewRecord(target, shape, sources), expression.line)
        return True

    def function_to(self, expression: Function, target: int, name: bytes) -> Proto:
        proto = FunctionCompiler(self.vm, expression.body, self.chunk_name, name).compile()
        self.emit(calls.Closure(target, proto), expression.body.last_line)
        return proto


STATEMENTS: dict[type[Statement], str] = {
    Local: "statement_local", LocalFunction: "statement_local_function", Assign: "statement_assign",
    CallStatement: "statement_call", Do: "statement_do", While: "statement_while", Repeat: "statement_repeat",
    If: "statement_if", NumericFor: "statement_numeric_for", GenericFor: "statement_generic_for",
    Return: "statement_return", Goto: "statement_goto", Label: "statement_label",
}  # fmt: skip
EXPRESSIONS: dict[type[Expression], str] = {
    Constant: "expression_constant", Vararg: "expression_vararg", LocalName: "expression_local",
    UpvalueName: "expression_upvalue", Parenthesized: "expression_parenthesized", Index: "expression_index",
    Call: "expression_call", Binary: "expression_binary", Unary: "expression_unary", Logical: "expression_logical",
    Table: "expression_table",
}  # fmt: skip


def compile_chunk(vm: VM, source: bytes, chunk_name: bytes) -> Proto:
    """Compile source text.

    Raises:
        LuaSyntaxError: It is no Lua.
    """
    limit = sys.getrecursionlimit()
    # Long chains such as a+a+a+... are deep trees. A call from Python to Python takes none of the C stack.
    sys.setrecursionlimit(max(limit, 20_000 + 8 * len(source)))
    try:
        body = parse(source, chunk_name)
        proto = FunctionCompiler(vm, body, chunk_name, b"main chunk").compile()
        proto.environment_is_cell = body.upvalues[0].variable.is_cell
        return proto
    finally:
        sys.setrecursionlimit(limit)


