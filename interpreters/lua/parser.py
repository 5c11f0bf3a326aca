"""The parser: a recursive descent that resolves names, attributes and labels as it goes."""

from __future__ import annotations

from typing import NoReturn

from interpreters.lua.lexer import END, Lexer
from interpreters.lua.syntax import (
    Assign, Binary, Block, Call, CallStatement, Constant, Do, Expression, Function, FunctionBody, GenericFor, Goto, If,
    Index, Label, Local, LocalFunction, LocalName, Logical, NumericFor, Parenthesized, Repeat, Return, Statement, Table,
    Unary, Upvalue, UpvalueName, Vararg, Variable, While,
)  # fmt: skip
from interpreters.lua.folding import fold_binary, fold_unary

MAX_LEVELS = 190
MAX_LOCALS = 200
MAX_UPVALUES = 255
UNARY_PRIORITY = 12
# How strongly operators bind to their left and to their right.
PRIORITIES: dict[bytes, tuple[int, int]] = {
    b"or": (1, 1), b"and": (2, 2),
    b"<": (3, 3), b">": (3, 3), b"<=": (3, 3), b">=": (3, 3), b"~=": (3, 3), b"==": (3, 3),
    b"|": (4, 4), b"~": (5, 5), b"&": (6, 6), b"<<": (7, 7), b">>": (7, 7),
    b"..": (9, 8), b"+": (10, 10), b"-": (10, 10),
    b"*": (11, 11), b"/": (11, 11), b"//": (11, 11), b"%": (11, 11), b"^": (14, 13),
}  # fmt: skip
BLOCK_ENDS = frozenset([b"else", b"elseif", b"end", b"until", END])


class BlockScope:
    """A block while it is read."""

    __slots__ = ("first_goto", "first_label", "first_variable", "is_loop", "parent", "tbc_depth")

    def __init__(self, function: FunctionScope, is_loop: bool) -> None:
        self.parent = function.block
        self.is_loop = is_loop
        self.first_variable = len(function.active)
        self.first_label = len(function.labels)
        self.first_goto = len(function.gotos)
        self.tbc_depth = function.tbc_depth


class FunctionScope:
    """A function while it is read: its variables in scope, labels in sight, gotos without a target."""

    def __init__(self, parent: FunctionScope | None, body: FunctionBody) -> None:
        self.parent = parent
        self.body = body
        self.active: list[Variable] = []
        self.labels: list[Label] = []
        self.gotos: list[Goto] = []
        self.block: BlockScope | None = None
        self.tbc_depth = 0
        self.upvalue_indices: dict[bytes, list[int]] = {}

    def find_local(self, name: bytes) -> Variable | None:
        for variable in reversed(self.active):
            if variable.name == name:
                return variable
        return None

    def find_upvalue(self, name: bytes, parser: Parser) -> int | Constant | None:
        """Return the number of an upvalue, made when needed; a compile-time constant; None for a global name."""
        if self.parent is None:
            return 0 if name == b"_ENV" else None
        variable = self.parent.find_local(name)
        if variable is not None:
            if variable.constant is not None:
                return variable.constant
            variable.captured = True
            return self.upvalue_number(Upvalue(name, variable, True, -1), parser)
        outer = self.parent.find_upvalue(name, parser)
        if outer is None or isinstance(outer, Constant):
            return outer
        return self.upvalue_number(Upvalue(name, self.parent.body.upvalues[outer].variable, False, outer), parser)

    def upvalue_number(self, upvalue: Upvalue, parser: Parser) -> int:
        upvalues = self.body.upvalues
        for number in self.upvalue_indices.get(upvalue.name, ()):
            if upvalues[number].variable is upvalue.variable:
                return number
        if len(upvalues) >= MAX_UPVALUES:
            parser.fail_limit(b"upvalues", MAX_UPVALUES, self)
        upvalues.append(upvalue)
        self.upvalue_indices.setdefault(upvalue.name, []).append(len(upvalues) - 1)
        return len(upvalues) - 1


class Parser:
    """Reads one chunk."""

    def __init__(self, source: bytes, chunk_name: bytes) -> None:
        self.lexer = Lexer(source, chunk_name)
        self.level = 0
        body = FunctionBody(0, is_vararg=True)
        body.upvalues.append(Upvalue(b"_ENV", Variable(b"_ENV", captured=True), True, -1))
        self.function = FunctionScope(None, body)

    def chunk(self) -> FunctionBody:
        lexer = self.lexer
        lexer.advance()
        body = self.function.body
        body.block = self.block(False)
        if lexer.kind != END:
            lexer.fail_here(b"<eof> expected")
        body.last_line = lexer.line
        return body

    # --- tokens

    def fail_limit(self, what: bytes, limit: int, function: FunctionScope) -> NoReturn:
        line = function.body.line
        where = b"function at line %d" % line if line else b"main function"
        self.lexer.fail_here(b"too many %s (limit is %d) in %s" % (what, limit, where))

    def accept(self, kind: bytes) -> bool:
        if self.lexer.kind == kind:
            self.lexer.advance()
            return True
        return False

    def expect(self, kind: bytes) -> None:
        if self.lexer.kind != kind:
            self.lexer.fail_here(b"'%s' expected" % kind)
        self.lexer.advance()

    def expect_match(self, what: bytes, opened: bytes, line: int) -> None:
        if self.lexer.kind == what:
            self.lexer.advance()
        elif line == self.lexer.line:
            self.lexer.fail_here(b"'%s' expected" % what)
        else:
            self.lexer.fail_here(b"'%s' expected (to close '%s' at line %d)" % (what, opened, line))

    def name(self) -> bytes:
        if self.lexer.kind != b"name":
            self.lexer.fail_here(b"<name> expected")
        value: bytes = self.lexer.value
        self.lexer.advance()
        return value

    def enter(self) -> None:
        self.level += 1
        if self.level > MAX_LEVELS:
            self.lexer.fail_here(b"chunk has too many syntax levels")

    # --- scopes

    def declare(self, variable: Variable) -> None:
        if len(self.function.active) >= MAX_LOCALS:
            self.fail_limit(b"local variables", MAX_LOCALS, self.function)
        self.function.active.append(variable)

    def open_block(self, is_loop: bool) -> None:
        self.function.block = BlockScope(self.function, is_loop)

    def close_block(self, block: Block) -> None:
        """Leave a block: gotos without a target move to the block around it."""
        function = self.function
        scope = function.block
        assert scope is not None
        del function.active[scope.first_variable :]
        del function.labels[scope.first_label :]
        function.tbc_depth = scope.tbc_depth
        if scope.is_loop:
            end = Label(self.lexer.last_line, b"break", scope.first_variable, scope.tbc_depth)
            pending = function.gotos[scope.first_goto :]
            for goto in pending:
                if goto.is_break:
                    goto.target = end
            function.gotos[scope.first_goto :] = [goto for goto in pending if goto.target is None]
            block.end = end
        for goto in function.gotos[scope.first_goto :]:
            goto.scope = min(goto.scope, scope.first_variable)
        function.block = scope.parent
        if scope.parent is None:
            for goto in function.gotos:
                if goto.is_break:
                    self.lexer.line = goto.line
                    self.lexer.fail(b"break outside loop at line %d" % goto.line)
                self.lexer.fail(b"no visible label '%s' for <goto> at line %d" % (goto.name, goto.line))

    def add_label(self, name: bytes, line: int, is_last: bool) -> Label:
        function = self.function
        scope = function.block
        assert scope is not None
        # A label at the end of its block counts as outside the scope of the block's variables.
        depth = scope.first_variable if is_last else len(function.active)
        label = Label(line, name, depth, scope.tbc_depth if is_last else function.tbc_depth)
        function.labels.append(label)
        remaining: list[Goto] = []
        for goto in function.gotos[scope.first_goto :]:
            if goto.name != name or goto.is_break:
                remaining.append(goto)
            elif goto.scope < depth:
                self.lexer.line = goto.line
                self.lexer.fail(
                    b"<goto %s> at line %d jumps into the scope of local '%s'"
                    % (name, goto.line, function.active[goto.scope].name)
                )
            else:
                goto.target = label
        function.gotos[scope.first_goto :] = remaining
        return label

    # --- statements

    def block(self, is_loop: bool, *, keep_open: bool = False) -> Block:
        """Read statements up to the block's end; with `keep_open` its variables are still in scope afterwards."""
        self.open_block(is_loop)
        block = Block()
        self.statements(block)
        block.last_line = self.lexer.line
        if not keep_open:
            self.close_block(block)
        return block

    def statements(self, block: Block) -> None:
        lexer = self.lexer
        while lexer.kind not in BLOCK_ENDS:
            if lexer.kind == b"return":
                block.statements.append(self.return_statement())
                return
            self.enter()
            statement = self.statement()
            self.level -= 1
            if statement is not None:
                block.statements.append(statement)

    def statement(self) -> Statement | None:
        lexer = self.lexer
        line = lexer.line
        kind = lexer.kind
        if kind == b";":
            lexer.advance()
            return None
        if kind == b"if":
            return self.if_statement(line)
        if kind == b"while":
            lexer.advance()
            condition = self.expression()
            self.expect(b"do")
            block = self.block(True)
            self.expect_match(b"end", b"while", line)
            return While(line, condition, block)
        if kind == b"do":
            lexer.advance()
            block = self.block(False)
            self.expect_match(b"end", b"do", line)
            return Do(line, block)
        if kind == b"for":
            return self.for_statement(line)
        if kind == b"repeat":
            return self.repeat_statement(line)
        if kind == b"function":
            return self.function_statement(line)
        if kind == b"local":
            lexer.advance()
            if self.accept(b"function"):
                variable = Variable(self.name())
                self.declare(variable)
                return LocalFunction(line, variable, self.function_body(line, False, variable.name))
            return self.local_statement(line)
        if kind == b"::":
            lexer.advance()
            return self.label_statement(line)
        if kind == b"break":
            lexer.advance()
            goto = Goto(line, b"break", is_break=True, scope=len(self.function.active), tbc_depth=self.function.tbc_depth)
            self.function.gotos.append(goto)
            return goto
        if kind == b"goto":
            lexer.advance()
            return self.goto_statement(line)
        return self.expression_statement(line)

    def if_statement(self, line: int) -> If:
        clauses: list[tuple[Expression, Block]] = []
        otherwise = None
        while True:
            self.lexer.advance()
            condition = self.expression()
            self.expect(b"then")
            clauses.append((condition, self.block(False)))
            if self.lexer.kind != b"elseif":
                break
        if self.accept(b"else"):
            otherwise = self.block(False)
        self.expect_match(b"end", b"if", line)
        return If(line, clauses, otherwise)

    def for_statement(self, line: int) -> Statement:
        lexer = self.lexer
        lexer.advance()
        first = Variable(self.name())
        if lexer.kind == b"=":
            lexer.advance()
            start = self.expression()
            self.expect(b",")
            limit = self.expression()
            step = self.expression() if self.accept(b",") else None
            self.expect(b"do")
            block = self.loop_block([first], 3)
            self.expect_match(b"end", b"for", line)
            return NumericFor(line, first, start, limit, step, block)
        if lexer.kind not in (b",", b"in"):
            lexer.fail_here(b"'=' or 'in' expected")
        variables = [first]
        while self.accept(b","):
            variables.append(Variable(self.name()))
        self.expect(b"in")
        values = self.expression_list()
        self.expect(b"do")
        self.function.body.has_tbc = True
        self.function.tbc_depth += 1
        block = self.loop_block(variables, 4)
        self.function.tbc_depth -= 1
        self.expect_match(b"end", b"for", line)
        return GenericFor(line, variables, values, block)

    def loop_block(self, variables: list[Variable], hidden: int) -> Block:
        """Read the body of a `for`; a break goes to the end of the outer of its two blocks."""
        self.open_block(True)
        for _ in range(hidden):
            self.declare(Variable(b"(for state)"))
        self.open_block(False)
        for variable in variables:
            self.declare(variable)
        inner = self.block(False)
        self.close_block(inner)
        self.close_block(inner)
        return inner

    def repeat_statement(self, line: int) -> Repeat:
        self.lexer.advance()
        self.open_block(True)
        block = self.block(False, keep_open=True)
        self.expect_match(b"until", b"repeat", line)
        condition = self.expression()
        self.close_block(block)
        self.close_block(block)
        return Repeat(line, block, condition)

    def function_statement(self, line: int) -> Assign:
        lexer = self.lexer
        lexer.advance()
        full_name = lexer.value if lexer.kind == b"name" else b""
        name_line = lexer.line
        target = self.variable(self.name(), name_line)
        is_method = False
        while lexer.kind in (b".", b":"):
            is_method = lexer.kind == b":"
            separator = lexer.kind
            lexer.advance()
            key = self.name()
            full_name += separator + key
            target = Index(line, target, Constant(line, key))
            if is_method:
                break
        function = self.function_body(line, is_method, full_name)
        self.check_assignable(target)
        return Assign(line, [target], [function])

    def local_statement(self, line: int) -> Statement:
        variables: list[Variable] = []
        to_close = 0
        while True:
            variable = Variable(self.name())
            if self.accept(b"<"):
                attribute = self.name()
                self.expect(b">")
                if attribute == b"close":
                    to_close += 1
                    if to_close > 1:
                        self.lexer.fail(b"multiple to-be-closed variables in local list")
                elif attribute != b"const":
                    self.lexer.fail(b"unknown attribute '%s'" % attribute)
                variable.attribute = attribute
            variables.append(variable)
            if not self.accept(b","):
                break
        values = self.expression_list() if self.accept(b"=") else []
        if len(variables) == len(values) and variables[-1].attribute == b"const":
            last = values[-1]
            if isinstance(last, Constant):
                variables[-1].constant = last
        for variable in variables:
            self.declare(variable)
        if to_close:
            self.function.body.has_tbc = True
            self.function.tbc_depth += 1
        return Local(line, variables, values)

    def label_statement(self, line: int) -> Label:
        name = self.name()
        for label in self.function.labels:
            if label.name == name:
                self.lexer.fail(b"label '%s' already defined on line %d" % (name, label.line))
        self.expect(b"::")
        while self.lexer.kind in (b";", b"::"):
            if self.lexer.kind == b";":
                self.lexer.advance()
            else:
                break
        return self.add_label(name, line, self.lexer.kind in BLOCK_ENDS and self.lexer.kind != b"until")

    def goto_statement(self, line: int) -> Goto:
        name = self.name()
        goto = Goto(line, name, scope=len(self.function.active), tbc_depth=self.function.tbc_depth)
        for label in self.function.labels:
            if label.name == name:
                goto.target = label
                return goto
        self.function.gotos.append(goto)
        return goto

    def return_statement(self) -> Return:
        line = self.lexer.line
        self.lexer.advance()
        values: list[Expression] = []
        if self.lexer.kind not in BLOCK_ENDS and self.lexer.kind != b";":
            values = self.expression_list()
        self.accept(b";")
        return Return(line, values, self.function.tbc_depth > 0)

    def check_assignable(self, target: Expression) -> None:
        """Refuse constants; note what is assigned to."""
        variable = None
        if isinstance(target, LocalName):
            variable = target.variable
        elif isinstance(target, UpvalueName):
            variable = target.upvalue.variable
        if variable is not None:
            if variable.attribute is not None:
                self.lexer.fail(b"attempt to assign to const variable '%s'" % variable.name)
            variable.assigned = True

    def expression_statement(self, line: int) -> Statement:
        first = self.suffixed_expression()
        if self.lexer.kind not in (b"=", b","):
            if not isinstance(first, Call):
                self.lexer.fail_here(b"syntax error")
            return CallStatement(line, first)
        targets = [first]
        while self.accept(b","):
            targets.append(self.suffixed_expression())
            if len(targets) > MAX_LEVELS:
                self.lexer.fail_here(b"chunk has too many syntax levels")
        for target in targets:
            if not isinstance(target, (LocalName, UpvalueName, Index)):
                if isinstance(target, Constant) and self.lexer.kind == b"=":
                    self.refuse_constant(target)
                self.lexer.fail_here(b"syntax error")
        self.expect(b"=")
        values = self.expression_list()
        for target in targets:
            self.check_assignable(target)
        return Assign(line, targets, values)

    def refuse_constant(self, target: Constant) -> None:
        """Name the compile-time constant that is assigned to."""
        function: FunctionScope | None = self.function
        while function is not None:
            for variable in reversed(function.active):
                if variable.constant is not None and variable.constant.value is target.value:
                    self.lexer.fail(b"attempt to assign to const variable '%s'" % variable.name)
            function = function.parent

    # --- expressions

    def expression_list(self) -> list[Expression]:
        values = [self.expression()]
        while self.accept(b","):
            values.append(self.expression())
        return values

    def variable(self, name: bytes, line: int) -> Expression:
        local = self.function.find_local(name)
        if local is not None:
            return Constant(line, local.constant.value) if local.constant is not None else LocalName(line, local)
        found = self.function.find_upvalue(name, self)
        if isinstance(found, Constant):
            return Constant(line, found.value)
        if found is not None:
            return UpvalueName(line, found, self.function.body.upvalues[found])
        return Index(line, self.variable(b"_ENV", line), Constant(line, name), is_global=True)

    def primary_expression(self) -> Expression:
        lexer = self.lexer
        line = lexer.line
        if lexer.kind == b"name":
            name: bytes = lexer.value
            lexer.advance()
            return self.variable(name, line)
        if lexer.kind == b"(":
            lexer.advance()
            inner = self.expression()
            self.expect_match(b")", b"(", line)
            return Parenthesized(line, inner)
        lexer.fail_here(b"unexpected symbol")

    def suffixed_expression(self) -> Expression:
        lexer = self.lexer
        line = lexer.line
        result = self.primary_expression()
        while True:
            kind = lexer.kind
            if kind == b".":
                lexer.advance()
                key_line = lexer.line
                result = Index(key_line, result, Constant(key_line, self.name()))
            elif kind == b"[":
                lexer.advance()
                key = self.expression()
                key_line = lexer.line
                self.expect(b"]")
                result = Index(key_line, result, key)
            elif kind == b":":
                lexer.advance()
                name = self.name()
                result = Call(line, result, self.arguments(line), name)
            elif kind in (b"(", b"{") or kind == b"string":
                arguments = self.arguments(line)
                if arguments and isinstance(arguments[0], Table) and isinstance(result, Index) and result.is_global:
                    assert isinstance(result.key, Constant)
                    arguments[0].is_object = result.key.value == b"setmetatable"
                result = Call(line, result, arguments)
            else:
                return result

    def arguments(self, line: int) -> list[Expression]:
        lexer = self.lexer
        if lexer.kind == b"string":
            constant = Constant(lexer.line, lexer.value)
            lexer.advance()
            return [constant]
        if lexer.kind == b"{":
            return [self.table_constructor()]
        if lexer.kind != b"(":
            lexer.fail_here(b"function arguments expected")
        opening = lexer.line
        lexer.advance()
        values = [] if lexer.kind == b")" else self.expression_list()
        self.expect_match(b")", b"(", opening)
        return values

    def table_constructor(self) -> Table:
        lexer = self.lexer
        line = lexer.line
        self.expect(b"{")
        fields: list[tuple[Expression | None, Expression]] = []
        while lexer.kind != b"}":
            if lexer.kind == b"[":
                lexer.advance()
                key: Expression | None = self.expression()
                self.expect(b"]")
                self.expect(b"=")
            elif lexer.kind == b"name" and lexer.peek() == b"=":
                key = Constant(lexer.line, self.name())
                lexer.advance()
            else:
                key = None
            fields.append((key, self.expression()))
            if not self.accept(b",") and not self.accept(b";"):
                break
        self.expect_match(b"}", b"{", line)
        return Table(line, fields)

    def simple_expression(self) -> Expression:
        lexer = self.lexer
        line = lexer.line
        kind = lexer.kind
        value = None
        if kind in (b"number", b"string"):
            value = lexer.value
        elif kind == b"true":
            value = True
        elif kind == b"false":
            value = False
        elif kind == b"...":
            if not self.function.body.is_vararg:
                lexer.fail_here(b"cannot use '...' outside a vararg function")
            lexer.advance()
            return Vararg(line)
        elif kind == b"{":
            return self.table_constructor()
        elif kind == b"function":
            lexer.advance()
            return self.function_body(line, False, b"")
        elif kind != b"nil":
            return self.suffixed_expression()
        lexer.advance()
        return Constant(line, value)

    def expression(self, limit: int = 0) -> Expression:
        self.enter()
        lexer = self.lexer
        kind = lexer.kind
        line = lexer.line
        if kind in (b"not", b"-", b"#", b"~"):
            lexer.advance()
            left: Expression = fold_unary(Unary(line, kind, self.expression(UNARY_PRIORITY)))
        else:
            left = self.simple_expression()
        while True:
            operator = lexer.kind
            priority = PRIORITIES.get(operator)
            if priority is None or priority[0] <= limit:
                break
            line = lexer.line
            lexer.advance()
            right = self.expression(priority[1])
            if operator in (b"and", b"or"):
                left = Logical(line, operator == b"and", left, right)
            else:
                left = fold_binary(Binary(line, operator, left, right))
        self.level -= 1
        return left

    def function_body(self, line: int, is_method: bool, name: bytes) -> Function:
        lexer = self.lexer
        body = FunctionBody(line, name=name)
        self.function = FunctionScope(self.function, body)
        self.expect(b"(")
        if is_method:
            body.parameters.append(Variable(b"self"))
        if lexer.kind != b")":
            while True:
                if lexer.kind == b"...":
                    lexer.advance()
                    body.is_vararg = True
                    break
                if lexer.kind != b"name":
                    lexer.fail_here(b"<name> or '...' expected")
                body.parameters.append(Variable(self.name()))
                if not self.accept(b","):
                    break
        self.expect(b")")
        self.open_block(False)
        for parameter in body.parameters:
            self.declare(parameter)
        body.block = self.block(False)
        body.last_line = lexer.line
        self.expect_match(b"end", b"function", line)
        self.close_block(Block())
        assert self.function.parent is not None
        self.function = self.function.parent
        return Function(line, body)


def parse(source: bytes, chunk_name: bytes) -> FunctionBody:
    """Read a chunk.

    Raises:
        LuaSyntaxError: It is no Lua; the message has the line.
    """
    return Parser(source, chunk_name).chunk()
