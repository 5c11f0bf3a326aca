"""What a call changes before it raises, and what only a bridge relies on."""

from tests.scenarios.loops import each, fold

LEVEL = 1
OTHER = {"__builtins__": __builtins__}
exec("VALUE = 1\ndef read(): return VALUE", OTHER)


class Thing:
    factor = 1

    def get(self):
        return self.factor


THING = Thing()


def unseen(function, *arguments):
    """Called from C, where nothing is traced."""
    sorted([1], key=lambda _: function(*arguments) or 0)


def set_level(i, every, raises):
    global LEVEL
    if i % every == 0:
        LEVEL = i
        Thing.factor = i + 1
    if raises:
        raise KeyError(i)


def changes_and_raises(i, total):
    try:
        unseen(set_level, i, 190, True)
    except KeyError as error:
        total += LEVEL + THING.get() + len(error.args)
    return total


def changes_and_raises_not(i, total):
    """Raises nearly always; a bridge is for when it does not."""
    try:
        unseen(set_level, i, 150, i % 5 != 0)
    except KeyError:
        return total + 1
    return total + LEVEL * 3 + THING.get()


def set_other(i):
    if i % 160 == 0:
        OTHER["VALUE"] = i


def changes_other_module(i, total):
    unseen(set_other, i)
    if i % 4 == 0:
        return total + OTHER["read"]()
    return total + 1


READ = OTHER["read"]


def changes_other_module_directly(i, total):
    unseen(set_other, i)
    if i % 4 == 0:
        return total + READ()
    return total + 1


def iterates(i, state):
    """What stepping an iterator changes, at its end and before."""
    total = state[0]
    for item in Changing(i):
        total += item + LEVEL
    state[0] = total + LEVEL


class Changing:
    def __init__(self, i):
        self.i = i
        self.left = 2 + i % 3

    def __iter__(self):
        return iter(self.next, None)

    def next(self):
        global LEVEL
        self.left -= 1
        if self.i % 150 == 0:
            LEVEL = self.i + self.left
        return self.left if self.left > 0 else None


def main():
    print(fold(changes_and_raises, 600, 0))
    print(fold(changes_and_raises_not, 900, 0))
    print(fold(changes_other_module, 900, 0))
    OTHER["VALUE"] = 1
    print(fold(changes_other_module_directly, 900, 0))
    print(each(iterates, 600, [0]))
