"""Programs in files: their forms, one after the other."""

from __future__ import annotations

import errno
import os
from typing import Any

from interpreters.scheme.core import Core, Place
from interpreters.scheme.expander import Expander
from interpreters.scheme.objects import EOF, error
from interpreters.scheme.ports import check_allowed
from interpreters.scheme.reader import Reader


class Program:
    """The text of a program, of which one form after the other is read and expanded.

    Attributes:
        place: Where the form begins that came last.
    """

    scheme_name = "program"

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.reader = Reader(text, name, keep_places=True)
        self.expander = Expander(name, self.reader.places, os.path.dirname(name))
        self._read_ahead: list[Any] = []
        self.place: Place | None = None

    def peek(self) -> Any:
        """The next datum, which stays the next one; EOF."""
        if not self._read_ahead:
            assert self.reader.places is not None
            self.reader.places.clear()
            self._read_ahead.append(self.reader.read())
        return self._read_ahead[0]

    def next_form(self, env: Any) -> Core | None:
        """The next form, expanded; None at the end."""
        form = self.peek()
        self._read_ahead.clear()
        self.place = self.expander.place(form)
        return None if form is EOF else self.expander.expand_top(form, env)


def text_of(path: str) -> str:
    """What is in a file of Scheme.

    Raises:
        OSError: It cannot be read, or is no text.
    """
    with open(path, encoding="utf-8") as file:
        try:
            return file.read()
        except UnicodeDecodeError as failure:
            raise OSError(errno.EILSEQ, f"it is no text in UTF-8, from byte {failure.start} on", path) from None


def read_forms(name: str, expander: Expander, fold: bool) -> list[Any]:
    """All data of an included file."""
    path = os.path.join(expander.folder, name)
    check_allowed("include")
    try:
        text = text_of(path)
    except OSError as failure:
        raise error("include", f"{failure.strerror}: {path}") from None
    reader = Reader(text, path, keep_places=True)
    reader.fold = fold
    forms = []
    while True:
        form = reader.read()
        if form is EOF:
            break
        forms.append(form)
    expander.keep(forms, reader.places or {})
    return forms
