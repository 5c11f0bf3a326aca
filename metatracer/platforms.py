"""Which machines and Pythons native code is made for; anywhere else programs run untraced after one warning."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings

SUPPORTED_VERSIONS = ((3, 11), (3, 12), (3, 13))


class UntracedWarning(RuntimeWarning):
    """This process runs portals untraced; the text says why."""


def unsupported_reason() -> str:
    """Why nothing can be traced in this process, as a piece of a sentence; "" when everything is there."""
    if sys.implementation.name != "cpython":
        return f"it needs CPython, and this is {sys.implementation.name}"
    if sys.version_info[:2] not in SUPPORTED_VERSIONS:
        known = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED_VERSIONS)
        return f"it knows CPython {known}, and this is {sys.version_info[0]}.{sys.version_info[1]}"
    machine = os.uname().machine if hasattr(os, "uname") else "unknown"
    if sys.platform != "linux" or machine not in ("x86_64", "AMD64") or sys.maxsize != 2**63 - 1:
        return f"it makes code for 64-bit Linux on x86-64, and this is {sys.platform} on {machine}"
    if hasattr(sys, "gettotalrefcount"):
        return "it does not know the object layouts of a debug build of CPython"
    if sys.version_info >= (3, 13) and "t" in sys.abiflags:
        return "it does not support the free-threaded build of CPython"
    return ""


_warned = False


def warn_untraced(reason: str) -> None:
    """Warn once in this process that portals run untraced."""
    global _warned  # noqa: PLW0603 - once per process is the point
    if not _warned:
        _warned = True
        warnings.warn(f"metatracer runs everything untraced: {reason}", UntracedWarning, stacklevel=3)


_told_of_mistake = False


def warn_mistake(sentence: str, place: str) -> None:
    """Warn once in this process that a place is run untraced because of a mistake in the toolkit.

    The guest has not made it: where filters make errors of warnings, nothing is raised into it.
    """
    global _told_of_mistake  # noqa: PLW0603 - once per process is the point
    if not _told_of_mistake:
        _told_of_mistake = True
        with contextlib.suppress(Warning):
            text = f"metatracer runs {place} untraced, and maybe more: {sentence} (`metatracer explain` gives the detail)"
            warnings.warn(text, UntracedWarning, stacklevel=2)
