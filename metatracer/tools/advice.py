"""What an author can do about a loop that was not compiled, in sentences."""

from __future__ import annotations

from typing import Any

from metatracer.errors import AbortReason

_REASONS: dict[str, str] = {
    "TRACE_TOO_LONG": "raise `trace_limit`, or mark a big callee with @dont_look_inside",
    "LONG_CALLEE": "nothing: the function is compiled for itself, and then this",
    "HELPER_LOOP": "mark the helper @unroll_safe if its loop is short, or @dont_look_inside if it is not; "
    "a loop outside of exception handlers and comprehensions gets traces of its own (parameter `helper_loops`)",
    "CALLEE_FIRST": "nothing: the function is compiled first, and then this",
    "JOINT_FIRST": "nothing: what comes behind that place is compiled first, and then this",
    "TOO_DEEP": "raise `max_inline_depth`, or mark the deepest callee with @dont_look_inside",
    "UNSUPPORTED": "move that statement into a function of its own and mark it @dont_look_inside",
    "GREEN_NOT_CONSTANT": "make it red, or promote it where it is computed",
    "LEFT_LOOP": "nothing: the next iteration is recorded",
    "LEFT_PORTAL": "call `can_enter_jit` only at back-edges of the guest program; loops that run once cannot close",
    "NOT_REPEATED": "nothing: a few other iterations are tried, then the loop is compiled as it is",
    "OTHER_WAY": "nothing: another iteration is recorded; METATRACER_CACHE=off forgets what earlier runs have found",
    "ESCAPED_EXCEPTION": "if guest errors are frequent here, catch them inside the portal's loop",
    "INTERRUPTED": "nothing: it will be tried again",
    "ASSUMPTION_BROKEN": "do not change globals, classes or functions of the interpreter while the guest runs",
    "COMPILE_FAILED": "report it, with the log of METATRACER_LOG=record,opt,llvm:FILE",
    "INTERNAL_ERROR": "report it, with the log of METATRACER_LOG=abort,record:FILE; the program goes on untraced here",
    "ASSERT_GREEN": "look at where the value comes from: it must be a green or promoted",
    "HOOK_REFUSED": "your `confirm_enter_jit` or a hook said no",
}


def what_to_change(reason: str) -> str:
    """Advice for an abort reason's name."""
    return _REASONS[reason]


def reasons_with_advice() -> set[str]:
    """The reasons this module knows; a test compares them with the table in `errors`."""
    return set(_REASONS)


def abort_lines(abort: dict[str, Any]) -> list[str]:
    """An abort record as lines: what happened, where, and what to change."""
    times = f" ({abort['times']} times)" if abort.get("times", 1) != 1 else ""
    place = place_of(abort)
    lines = [f"given up{times}: {abort['sentence']}"]
    if abort.get("detail"):
        lines.append(f"exactly: {abort['detail']}")
    if place:
        lines.append(f"at {place}")
    if abort["reason"] in AbortReason.__members__:
        lines.append(f"to change: {what_to_change(abort['reason'])}")
    return lines


def place_of(record: dict[str, Any], prefix: str = "") -> str:
    """The "file:line" of a record, or "" when it has none."""
    filename, lineno = record.get(prefix + "filename"), record.get(prefix + "lineno")
    if not filename:
        return ""
    return f"{filename}:{lineno}" if lineno else str(filename)


def loop_lines(record: dict[str, Any], parameters: dict[str, Any]) -> list[str]:
    """Why a loop has the status it has, as lines; none for a compiled loop without anything to say.

    Args:
        record: A LoopRecord as plain data.
        parameters: The parameters of the process that it is from.
    """
    lines: list[str] = []
    status = record["status"]
    if status == "counting" and not record.get("aborts"):
        threshold = parameters["threshold"]
        seen = record.get("back_edges", 0)
        when = f"after {threshold} (the parameter `threshold`)" if threshold else "when it pays (the parameter `payback`)"
        lines.append(f"not hot: seen {seen} times; loops are recorded {when}")
    elif status == "refused":
        lines.append(f"refused: {record.get('reason') or 'confirm_enter_jit or a hook said no'}")
    elif status == "invalidated":
        lines.append(f"thrown away: {record.get('reason') or 'an assumption broke'}")
        lines.append(f"to change: {what_to_change('ASSUMPTION_BROKEN')}")
    elif status == "replaced":
        lines.append("another trace took its place")
    lines.extend(replacement_line(attempt) for attempt in record.get("replacements", ()))
    for abort in record.get("aborts", ()):
        lines.extend(abort_lines(abort))
    return lines


def green_lines(green: dict[str, Any]) -> list[str]:
    """What is said of a green that has too many values (`driver.short_lived_greens`), as lines."""
    kind = green["kind"] if green["kind"] in ("int", "str", "bytes", "bool", "float") else f"{green['kind']} objects"
    looks = (
        f"{green['values']} different values ({kind}) were looked at; of {green['keys']} combinations of greens "
        f"{green['keys_met_again']} were met again, and only those can get machine code"
    )
    change = (
        "to change: a green says where in the guest program the interpreter is, and has as many values as that has places; "
        f"make `{green['green']}` a red, and what many of its values share (the code of a closure, the kind of a number) a green"
    )
    return [
        f"hardly green: the variable `{green['green']}` of driver {green['driver']}",
        f"merge point at {place_of(green)}",
        looks,
        change,
    ]


def replacement_line(attempt: dict[str, Any]) -> str:
    """The story of one attempt to replace a loop's root, as a sentence."""
    story = f"attempt {attempt['attempt']} to replace the root"
    if attempt["share"]:
        story += (
            f", because {attempt['share']:.0%} of the passes took one other way and {attempt['root_share']:.0%} its own: "
            f"time was to fall to {attempt['predicted']:.2f} of what it was"
        )
    if attempt["ratio"]:
        story += f", and was measured as {attempt['ratio']:.2f} of it"
    if attempt["recordings"] > 1:
        story += f" (after {attempt['recordings']} recordings)"
    return f"{story}: {attempt['outcome']}, {attempt['reason']}"


def residual_line(call: dict[str, Any]) -> str:
    """A call that traces make instead of looking into it, as one line."""
    place = place_of(call)
    where = f" ({place})" if place else ""
    caller = place_of(call, "call_")
    called_at = f", called at {caller}" if caller else ""
    return f"{call['function']}{where}: {call['reason']}{called_at}"
