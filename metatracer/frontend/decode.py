"""From a CPython code object to its `JitCode`, for the running version of CPython.

One decoder per version behind `jitcode_for`; everything after it is version-free. The versions differ in which
instructions exist and in where NULL stands beside a callable (`JitCode.call_layout`), and in nothing else.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from metatracer.errors import UsageError

if TYPE_CHECKING:
    from types import CodeType

    from metatracer.frontend.decode_base import Decoder
    from metatracer.frontend.jitcode import JitCode

SUPPORTED_VERSIONS = ((3, 11), (3, 12), (3, 13))

# By identity: code objects compare equal when their text is, but each has its own constants. The JitCode keeps its code
# object alive, so an id is never used twice.
_cache: dict[int, JitCode] = {}


def _decoder_class() -> type[Decoder]:
    version = sys.version_info[:2]
    if version == (3, 11):
        from metatracer.frontend.decode_311 import Decoder311

        return Decoder311
    if version == (3, 12):
        from metatracer.frontend.decode_312 import Decoder312

        return Decoder312
    if version == (3, 13):
        from metatracer.frontend.decode_313 import Decoder313

        return Decoder313
    supported = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED_VERSIONS)
    raise UsageError(f"CPython {version[0]}.{version[1]} is not supported for tracing; use one of {supported}")


def jitcode_for(code: CodeType) -> JitCode:
    """The JitCode of `code`: the same object every time, from any thread.

    Never fails for a supported version: what cannot be traced is an "unsupported" instruction, or a `refusal` of the
    whole function.
    """
    found = _cache.get(id(code))
    if found is None:
        # Two threads may both decode; setdefault is atomic, and the first result wins.
        found = _cache.setdefault(id(code), _decoder_class()(code).decode())
    return found
