"""Input and output."""

from __future__ import annotations

import os
from typing import Any

from interpreters.common.command import note_written
from interpreters.scheme.control import parameter_value
from interpreters.scheme.objects import EOF, UNSPECIFIED, Char, String, char, error, wrong_type
from interpreters.scheme.ports import (
    CURRENT_ERROR, CURRENT_INPUT, CURRENT_OUTPUT, INPUTS, OUTPUTS, BinaryInput, BinaryOutput, StandardOutput, TextInput,
    TextOutput, check_allowed,
)  # fmt: skip
from interpreters.scheme.primitives import index, opaque, primitive, span
from interpreters.scheme.prims_data import octet, octets
from interpreters.scheme.printer import to_text
from metatracer import dont_look_inside


def output(who: str, port: Any) -> Any:
    if port is None:
        return parameter_value(CURRENT_OUTPUT)
    if type(port) is not TextOutput and type(port) is not StandardOutput:
        raise wrong_type(who, "a textual output port", port)
    return port


def source(who: str, port: Any) -> Any:
    if port is None:
        port = parameter_value(CURRENT_INPUT)
    if type(port) is not TextInput:
        raise wrong_type(who, "a textual input port", port)
    if not port.is_open:
        raise error(who, "the port is closed:", port)
    return port


def octet_source(who: str, port: Any) -> Any:
    if port is None:
        port = parameter_value(CURRENT_INPUT)
    if type(port) is not BinaryInput:
        raise wrong_type(who, "a binary input port", port)
    if not port.is_open:
        raise error(who, "the port is closed:", port)
    return port


# --- output


@dont_look_inside
def written(value: Any) -> str:
    return to_text(value)


@dont_look_inside
def shown(value: Any) -> str:
    return to_text(value, quote=False)


@primitive("write")
def write(value: Any, port: Any = None) -> Any:
    output("write", port).write(written(value))
    return UNSPECIFIED


@opaque("write-shared")
def write_shared(value: Any, port: Any = None) -> Any:
    output("write-shared", port).write(to_text(value, labels="shared"))
    return UNSPECIFIED


@opaque("write-simple")
def write_simple(value: Any, port: Any = None) -> Any:
    output("write-simple", port).write(to_text(value, labels="none"))
    return UNSPECIFIED


@primitive("display")
def display(value: Any, port: Any = None) -> Any:
    output("display", port).write(value.text if type(value) is String else shown(value))
    return UNSPECIFIED


@primitive("newline")
def newline(port: Any = None) -> Any:
    output("newline", port).write("\n")
    return UNSPECIFIED


@opaque("fresh-line")
def fresh_line(port: Any = None) -> Any:
    target = output("fresh-line", port)
    if not target.at_line_start:
        target.write("\n")
    return UNSPECIFIED


@primitive("write-char")
def write_char(value: Any, port: Any = None) -> Any:
    if type(value) is not Char:
        raise wrong_type("write-char", "a character", value)
    output("write-char", port).write(value.value)
    return UNSPECIFIED


@primitive("write-string")
def write_string(value: Any, port: Any = None, start: Any = 0, end: Any = None) -> Any:
    if type(value) is not String:
        raise wrong_type("write-string", "a string", value)
    if end is None and start == 0:
        output("write-string", port).write(value.text)
        return UNSPECIFIED
    return _write_part(value, port, start, end)


@dont_look_inside
def _write_part(value: Any, port: Any, start: Any, end: Any) -> Any:
    start, end = span("write-string", len(value), start, end)
    output("write-string", port).write(value.text[start:end])
    return UNSPECIFIED


@opaque("write-line")
def write_line(value: Any, port: Any = None) -> Any:
    output("write-line", port).write(to_text(value) + "\n")
    return UNSPECIFIED


@opaque("write-u8")
def write_u8(value: Any, port: Any = None) -> Any:
    return write_bytevector(bytearray([octet("write-u8", value)]), port)


@opaque("write-bytevector")
def write_bytevector(value: Any, port: Any = None, start: Any = 0, end: Any = None) -> Any:
    start, end = span("write-bytevector", len(octets("write-bytevector", value)), start, end)
    target = port if port is not None else parameter_value(CURRENT_OUTPUT)
    if type(target) is not BinaryOutput:
        raise wrong_type("write-bytevector", "a binary output port", target)
    target.write(bytes(value[start:end]))
    return UNSPECIFIED


@opaque("flush-output-port", "flush-output")
def flush_output(port: Any = None) -> Any:
    (port if port is not None else parameter_value(CURRENT_OUTPUT)).flush()
    return UNSPECIFIED


# --- input


@opaque("read")
def read(port: Any = None) -> Any:
    port = source("read", port)
    value = port.reader.read_plain()
    return port.read_after_fill() if value is None else value


@primitive("read-char")
def read_char(port: Any = None) -> Any:
    letter = source("read-char", port).read_char()
    return char(letter) if letter else EOF


@primitive("peek-char")
def peek_char(port: Any = None) -> Any:
    letter = source("peek-char", port).peek()
    return char(letter) if letter else EOF


@opaque("char-ready?")
def is_char_ready(port: Any = None) -> Any:
    stream = source("char-ready?", port)
    if stream.fill is None or stream.reader.position < len(stream.reader.text):
        return True
    import select
    import sys

    try:
        return bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):
        return True


@primitive("read-line")
def read_line(port: Any = None) -> Any:
    line = source("read-line", port).read_line()
    return EOF if line is None else String(line)


@opaque("read-string")
def read_string(count: Any, port: Any = None) -> Any:
    if type(count) is TextInput:
        count, port = port, count
    text = source("read-string", port).read_string(index("read-string", count))
    return String(text) if text or count == 0 else EOF


@primitive("read-u8")
def read_u8(port: Any = None) -> Any:
    stream = octet_source("read-u8", port)
    if stream.position >= len(stream.data):
        return EOF
    stream.position += 1
    return stream.data[stream.position - 1]


@primitive("peek-u8")
def peek_u8(port: Any = None) -> Any:
    stream = octet_source("peek-u8", port)
    return stream.data[stream.position] if stream.position < len(stream.data) else EOF


@opaque("u8-ready?")
def is_u8_ready(port: Any = None) -> Any:
    octet_source("u8-ready?", port)
    return True


@opaque("read-bytevector")
def read_bytevector(count: Any, port: Any = None) -> Any:
    stream = octet_source("read-bytevector", port)
    data = stream.data[stream.position : stream.position + index("read-bytevector", count)]
    stream.position += len(data)
    return bytearray(data) if data or count == 0 else EOF


@opaque("read-bytevector!")
def read_bytevector_into(target: Any, port: Any = None, start: Any = 0, end: Any = None) -> Any:
    start, end = span("read-bytevector!", len(octets("read-bytevector!", target)), start, end)
    data = read_bytevector(end - start, port)
    if data is EOF:
        return EOF
    target[start : start + len(data)] = data
    return len(data)


@primitive("eof-object")
def eof_object() -> Any:
    return EOF


@primitive("eof-object?")
def is_eof(value: Any) -> Any:
    return value is EOF


# --- ports


@primitive("open-input-string")
def open_input_string(value: Any) -> Any:
    if type(value) is not String:
        raise wrong_type("open-input-string", "a string", value)
    return TextInput(value.text)


@primitive("open-output-string")
def open_output_string() -> Any:
    return TextOutput()


@primitive("get-output-string")
def get_output_string(port: Any) -> Any:
    if type(port) is not TextOutput or port.file is not None:
        raise wrong_type("get-output-string", "a string port", port)
    return String(port.text())


@opaque("open-input-bytevector")
def open_input_bytevector(value: Any) -> Any:
    return BinaryInput(bytes(octets("open-input-bytevector", value)))


@opaque("open-output-bytevector")
def open_output_bytevector() -> Any:
    return BinaryOutput()


@opaque("get-output-bytevector")
def get_output_bytevector(port: Any) -> Any:
    if type(port) is not BinaryOutput or port.file is not None:
        raise wrong_type("get-output-bytevector", "a bytevector port", port)
    return bytearray(port.data)


def _name(who: str, value: Any) -> str:
    if type(value) is not String:
        raise wrong_type(who, "a file's name", value)
    check_allowed(who, value)
    return value.text


@opaque("open-input-file")
def open_input_file(name: Any) -> Any:
    path = _name("open-input-file", name)
    with open(path, encoding="utf-8", errors="replace") as file:
        return TextInput(file.read(), path)


@opaque("open-binary-input-file")
def open_binary_input_file(name: Any) -> Any:
    with open(_name("open-binary-input-file", name), "rb") as file:
        return BinaryInput(file.read())


@opaque("open-output-file")
def open_output_file(name: Any, append: Any = False) -> Any:
    mode = "a" if append is not False else "w"
    return TextOutput(note_written(open(_name("open-output-file", name), mode, encoding="utf-8")))


@opaque("open-binary-output-file")
def open_binary_output_file(name: Any) -> Any:
    return BinaryOutput(note_written(open(_name("open-binary-output-file", name), "wb")))


@opaque("file-exists?")
def file_exists(name: Any) -> Any:
    return os.path.exists(_name("file-exists?", name))


@opaque("delete-file")
def delete_file(name: Any) -> Any:
    os.remove(_name("delete-file", name))
    return UNSPECIFIED


def _check_port(who: str, port: Any) -> Any:
    if type(port) not in INPUTS and type(port) not in OUTPUTS:
        raise wrong_type(who, "a port", port)
    return port


@opaque("close-port")
def close_port(port: Any) -> Any:
    _check_port("close-port", port).close()
    return UNSPECIFIED


@opaque("close-input-port")
def close_input_port(port: Any) -> Any:
    if type(port) not in INPUTS:
        raise wrong_type("close-input-port", "an input port", port)
    port.close()
    return UNSPECIFIED


@opaque("close-output-port")
def close_output_port(port: Any) -> Any:
    if type(port) not in OUTPUTS:
        raise wrong_type("close-output-port", "an output port", port)
    port.close()
    return UNSPECIFIED


@opaque("port?")
def is_port(value: Any) -> Any:
    return type(value) in INPUTS or type(value) in OUTPUTS


@opaque("input-port?")
def is_input_port(value: Any) -> Any:
    return type(value) in INPUTS


@opaque("output-port?")
def is_output_port(value: Any) -> Any:
    return type(value) in OUTPUTS


@opaque("textual-port?")
def is_textual_port(value: Any) -> Any:
    return type(value) in (TextInput, TextOutput, StandardOutput)


@opaque("binary-port?")
def is_binary_port(value: Any) -> Any:
    return type(value) in (BinaryInput, BinaryOutput)


@opaque("input-port-open?")
def is_input_open(port: Any) -> Any:
    if type(port) not in INPUTS:
        raise wrong_type("input-port-open?", "an input port", port)
    return port.is_open


@opaque("output-port-open?")
def is_output_open(port: Any) -> Any:
    if type(port) not in OUTPUTS:
        raise wrong_type("output-port-open?", "an output port", port)
    return port.is_open


@opaque("format")
def format_text(first: Any, *args: Any) -> Any:
    """SRFI 28, and the destinations #f, #t and a port."""
    target: Any = None
    if type(first) is not String:
        target = output("format", None) if first is True else (None if first is False else output("format", first))
        if not args or type(args[0]) is not String:
            raise wrong_type("format", "a string", args[0] if args else first)
        first, args = args[0], args[1:]
    parts: list[str] = []
    rest = list(args)
    pieces = first.text.split("~")
    parts.append(pieces[0])
    position = 1
    while position < len(pieces):
        piece = pieces[position]
        if piece == "":
            if position + 1 == len(pieces):
                raise error("format", "a directive is missing after ~")
            parts.append("~" + pieces[position + 1])
            position += 2
            continue
        directive = piece[0].lower()
        if directive in "asd":
            if not rest:
                raise error("format", "too few arguments:", first)
            parts.append(to_text(rest.pop(0), quote=directive == "s"))
        elif directive in "%n":
            parts.append("\n")
        else:
            raise error("format", f"unknown directive ~{piece[0]}")
        parts.append(piece[1:])
        position += 1
    if target is None:
        return String("".join(parts))
    target.write("".join(parts))
    return UNSPECIFIED


PORT_PARAMETERS = {
    "current-input-port": CURRENT_INPUT,
    "current-output-port": CURRENT_OUTPUT,
    "current-error-port": CURRENT_ERROR,
}
