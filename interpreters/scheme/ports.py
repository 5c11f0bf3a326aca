"""Ports."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from interpreters.scheme.objects import EOF, Parameter, SchemeError, Condition, String, error
from interpreters.scheme.reader import IncompleteError, Reader
from metatracer import dont_look_inside


class TextInput:
    """A textual input port.

    Attributes:
        reader: Holds the text that was read so far, and the position.
        fill: Gives more text, "" at the end; None when the reader's text is all there is.
    """

    scheme_name = "input-port"

    def __init__(self, text: str, name: str = "", fill: Callable[[], str] | None = None) -> None:
        self.reader = Reader(text, name)
        self.fill = fill
        self.is_open = True

    @dont_look_inside
    def more(self) -> bool:
        """Get more text; False at the end."""
        if self.fill is None:
            return False
        text = self.fill()
        if self.reader.position > 65536:
            self.reader.text = self.reader.text[self.reader.position :]
            self.reader.position = 0
        self.reader.extend(text)
        return text != ""

    def has_text(self) -> bool:
        return self.reader.position < len(self.reader.text) or self.more()

    def peek(self) -> str:
        if self.reader.position < len(self.reader.text) or self.more():
            return self.reader.text[self.reader.position]
        return ""

    def read_char(self) -> str:
        letter = self.peek()
        self.reader.position += len(letter)
        return letter

    def read_line(self) -> str | None:
        reader = self.reader
        while True:
            end = reader.text.find("\n", reader.position)
            if end >= 0:
                line = reader.text[reader.position : end]
                reader.position = end + 1
                return line
            if not self.more():
                break
        line = reader.text[reader.position :]
        reader.position = len(reader.text)
        return line or None

    def read_string(self, count: int) -> str:
        reader = self.reader
        while len(reader.text) - reader.position < count and self.more():
            pass
        text = reader.text[reader.position : reader.position + count]
        reader.position += len(text)
        return text

    def read(self) -> Any:
        while True:
            try:
                return self.reader.read_or_incomplete()
            except IncompleteError as incomplete:
                if not self.more():
                    self.reader.position = len(self.reader.text)
                    raise self.reader.fail(incomplete.message, incomplete.offset) from None
                continue

    def read_after_fill(self) -> Any:
        """`read`, which asks for more when there is only white space."""
        value = self.read()
        while value is EOF and self.more():
            value = self.read()
        return value

    def close(self) -> None:
        self.is_open = False


class BinaryInput:
    scheme_name = "binary-input-port"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


class TextOutput:
    """A textual output port: into a Python file, or collected (`file` is None)."""

    scheme_name = "output-port"

    def __init__(self, file: Any = None) -> None:
        self.file = file
        self.parts: list[str] = []
        self.is_open = True
        self.at_line_start = True

    def write(self, text: str) -> None:
        if not self.is_open:
            raise error("write", "the port is closed")
        if text:
            self.at_line_start = text[-1] == "\n"
        if self.file is None:
            self.parts.append(text)
        else:
            self.file.write(text)

    def text(self) -> str:
        joined = "".join(self.parts)
        self.parts = [joined]
        return joined

    def flush(self) -> None:
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            if self.file is not None:
                self.file.close()


class StandardOutput(TextOutput):
    """Standard output or error, whatever file that is at the moment of writing."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    @dont_look_inside
    def write(self, text: str) -> None:
        if text:
            self.at_line_start = text[-1] == "\n"
        try:
            getattr(sys, self.name).write(text)
        except UnicodeEncodeError:
            getattr(sys, self.name).write(text.encode("utf-8", "surrogatepass").decode("ascii", "replace"))

    def flush(self) -> None:
        getattr(sys, self.name).flush()

    def close(self) -> None:
        self.flush()


class BinaryOutput:
    scheme_name = "binary-output-port"

    def __init__(self, file: BinaryIO | None = None) -> None:
        self.file = file
        self.data = bytearray()
        self.is_open = True

    def write(self, data: bytes) -> None:
        if not self.is_open:
            raise error("write-u8", "the port is closed")
        if self.file is None:
            self.data += data
        else:
            self.file.write(data)

    def flush(self) -> None:
        if self.file is not None:
            self.file.flush()

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            if self.file is not None:
                self.file.close()


INPUTS = (TextInput, BinaryInput)
OUTPUTS = (TextOutput, StandardOutput, BinaryOutput)

CURRENT_INPUT = Parameter(TextInput("", "stdin", lambda: sys.stdin.readline()), None)  # noqa: PLW0108  whatever stdin is then
CURRENT_OUTPUT = Parameter(StandardOutput("stdout"), None)
CURRENT_ERROR = Parameter(StandardOutput("stderr"), None)

SANDBOX = [False]
"""Whether programs are kept from files, other processes and the environment."""


def check_allowed(who: str, *irritants: Any) -> None:
    if SANDBOX[0]:
        raise SchemeError(Condition(String("not allowed in the sandbox"), list(irritants), kind="file", who=who))
