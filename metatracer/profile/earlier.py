"""What earlier runs of a program have found out about its loops: a file for each program.

It is JSON::

    {"program": "the script's path", "loops": {"0a1b...": {"avoid": ["9f0c..."], "is_steady": false, "is_futile": false}}}

A file that is damaged, of another program (names are shortened to hashes), or of another user is ignored, with one warning, and
written anew. So is what does not look as it should.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from metatracer import kept

if TYPE_CHECKING:
    from pathlib import Path

    from metatracer.profile.policy import History

MOST_LOOPS = 500
"""In a file; those longest not seen are left out."""
MOST_AVOIDED = 20
"""Places of one loop."""


class ProfileWarning(RuntimeWarning):
    """What earlier runs have recorded cannot be used."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What is known of a loop.

    Attributes:
        avoid: Places (`runtime.earlier`) at which its root should not be on the way that asks for the same there: another root
            was measured to be better.
        is_steady: It was looked at for a while, and nothing changed.
        is_futile: Recordings on another way did not come about: `avoid` is not to be tried again.
    """

    avoid: tuple[str, ...] = ()
    is_steady: bool = False
    is_futile: bool = False


NOTHING = Hint()
LEAST_SECONDS = 1.0
"""Of looks at a loop, since anything changed, for it to count as steady."""
QUIET = 0.75
"""Of the whole time at least, so that what changes every few seconds is not steady."""


def learned(hint: Hint, history: History, avoid: tuple[str, ...], *, has_missed: bool) -> Hint:
    """What is known of a loop at the end of a run.

    Args:
        hint: What was known at its beginning.
        history: Of the run.
        avoid: Places of the way of the root that was replaced last.
        has_missed: All recordings went the way that `hint` says to avoid.
    """
    if has_missed or history.installed > 1:  # what is better changes
        return Hint(is_futile=True)
    if history.installed:
        return Hint(() if hint.is_futile else avoid, is_futile=hint.is_futile)
    if history.watched - history.changed >= max(LEAST_SECONDS, QUIET * history.watched):
        return replace(hint, is_steady=True)
    return hint


@dataclass(slots=True)
class Profile:
    """The file of a program.

    Attributes:
        program: Its name.
        loops: By fingerprint, the one seen last at the end.
    """

    program: str
    loops: dict[str, Hint] = field(default_factory=dict)

    def note(self, loop: str, hint: Hint) -> None:
        """Something is known of a loop, by now."""
        self.loops.pop(loop, None)
        self.loops[loop] = hint

    def save(self, path: Path) -> None:
        """Write the file.

        Raises:
            OSError: It cannot be kept.
        """
        last = list(self.loops.items())[-MOST_LOOPS:]
        content = {"program": self.program, "loops": {name: asdict(hint) for name, hint in last}}
        kept.write(path, json.dumps(content).encode())


def path_for(program: str, version: str) -> Path | None:
    """Where the file of a program is; None where nothing is kept.

    Args:
        program: Its name.
        version: Of whatever else the content depends on.
    """
    directory = kept.directory()
    name = hashlib.sha256(f"{program}\0{version}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return None if directory is None else directory / f"{name}.profile"


def load(path: Path, program: str) -> Profile:
    """What is in the file of a program; nothing if there is none, or if it is not to be trusted."""
    profile = Profile(program)
    content = kept.read(path)
    if content is None:
        if os.path.lexists(path):
            _warn(path, "it is damaged, or not the user's own")
        return profile
    try:
        found = json.loads(content)
        if found["program"] != program:
            _warn(path, "it is of another program")
            return profile
        for name, fields in found["loops"].items():
            profile.loops[str(name)] = _hint(fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        _warn(path, "it is not a profile")
        return Profile(program)
    return profile


def _hint(fields: dict[str, Any]) -> Hint:
    hint = Hint(tuple(fields["avoid"])[:MOST_AVOIDED], fields["is_steady"], fields["is_futile"])
    if not all(isinstance(place, str) for place in hint.avoid):
        raise TypeError("places are strings")
    return hint


_warned = False


def _warn(path: Path, reason: str) -> None:
    global _warned  # noqa: PLW0603 - once per process is the point
    if not _warned:
        _warned = True
        warnings.warn(f"metatracer ignores the profile {path}: {reason}", ProfileWarning, stacklevel=2)
