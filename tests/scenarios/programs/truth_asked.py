"""Objects whose truth, length and text are found out by methods of their classes."""

from tests.scenarios.loops import fold


class Value:
    __slots__ = ("asked", "number")

    def __init__(self, number):
        self.number = number
        self.asked = 0

    def __bool__(self):
        self.asked += 1
        if self.number % 11 == 10:
            raise ValueError("neither")
        return self.number % 3 != 0

    def __str__(self):
        return f"<{self.number % 10}>"


class Stack:
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __repr__(self):
        return "Stack(" + ", ".join(map(str, self.items)) + ")"

    def pop(self):
        return self.items.pop()


class Wrong:
    def __init__(self, answer):
        self.answer = answer

    def __bool__(self):
        return self.answer

    def __len__(self):
        return self.answer

    def __str__(self):
        return self.answer


class Long:
    def __init__(self, items):
        self.items = items

    def __bool__(self):
        for item in self.items:
            if item > 5:
                return True
        return False


class Tree:
    def __init__(self, left=None, right=None):
        self.left = left
        self.right = right

    def __bool__(self):
        if self.left is None:
            return self.right is None
        if self.left:
            return True
        return bool(self.right)


def branches(i, total):
    value = Value(i % 9)
    if value:
        total += 1
    if not value:
        total += 2
    total += 3 if value else 4
    either = value or total
    both = value and total
    total += (either is value) + (both is value) * 2
    while value:
        value.number -= 1
        total += 1
    return (total + value.asked + (not value) + bool(value)) % 100003


def raising(i, total):
    value = Value(i)
    try:
        if value and not Value(i + 1):
            total += 1
    except ValueError as error:
        total += len(str(error)) + error.__traceback__.tb_next.tb_lineno - error.__traceback__.tb_lineno
    assert value.asked == 1
    return total % 100003


def stacks(i, total):
    stack = Stack([i, total, 3][: i % 4])
    while stack:
        total += stack.pop()
    if not stack:
        total += len(stack) + 1
    return (total + len([1 for each in (stack, Stack([1])) if each])) % 100003


ANSWERS = (True, 1, None, False, -1, "x", 1 << 70, 0)


def wrong_answers(i, total):
    wrong = Wrong(ANSWERS[i % 8])
    for ask in (0, 1, 2, 3, 4):
        try:
            if ask == 0 and wrong:
                total += 1
            elif ask == 1:
                total += not wrong
            elif ask == 2:
                total += len(wrong)
            elif ask == 3:
                total += len(str(wrong))
            elif ask == 4:
                total += len(f"{wrong}")
        except (TypeError, ValueError, OverflowError) as error:
            total += len(str(error))
    return total % 100003


class WrongLength:
    def __init__(self, answer):
        self.answer = answer

    def __len__(self):
        return self.answer


def wrong_lengths(i, total):
    wrong = WrongLength(ANSWERS[i % 8])
    try:
        total += 1 if wrong else 2
    except (TypeError, ValueError, OverflowError) as error:
        total += len(str(error))
    try:
        total += not wrong
    except (TypeError, ValueError, OverflowError) as error:
        total += len(str(error))
    return total % 100003


def with_loops(i, total):
    items = Long(list(range(i % 10)))
    if items:
        total += 1
    return total + (not items) + (2 if Long([1] * (i % 40)) else 3)


def trees(i, total):
    tree = Tree(Tree(Tree(), None if i % 3 else Tree()), Tree(None, Tree() if i % 2 else None))
    if tree.left:
        total += 1
    if not tree.right:
        total += 2
    return total + (4 if tree else 8)


def deep(i, total):
    tree = Tree(None, i % 2 or None)
    for _ in range(i % 12):
        tree = Tree(tree, tree)
    return total + (1 if tree else 2)


def texts(i, total):
    value, stack = Value(i), Stack([1, i])
    text = f"{value}:{stack!r:>20}{stack}" + str(value) + repr(stack) + str(stack) + "%s" % value
    return (total + len(text) + len(str(Tree())) % 1) % 100003


class Ending:
    count = 0

    def __del__(self):
        Ending.count += 1


class Holding:
    def __bool__(self):
        held = Ending()
        return held.count % 2 == 0


def held(i, total):
    before = Ending.count
    if Holding():
        total += 1
    return (total + Ending.count - before) % 100003


class Later:
    pass


def class_changes(i, total):
    later = Later()
    if i == 120:
        Later.__len__ = lambda self: 0
    if i == 200:
        Later.__bool__ = lambda self: True
    return total + (1 if later else 2)


def main():
    for body in (
        branches, raising, stacks, wrong_answers, wrong_lengths, with_loops, trees, deep, texts, held, class_changes,
    ):
        print(body.__name__, fold(body, 300, 1))
