"""What is kept of a program's loops from one run to the next, and when it is not trusted."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from metatracer import kept
from metatracer.profile import earlier
from metatracer.profile.earlier import NOTHING, Hint, Profile, ProfileWarning, learned, load, path_for
from metatracer.profile.policy import History

HINT = Hint(("a", "b"))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METATRACER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(earlier, "_warned", False)
    found = path_for("/program.py", "1")
    assert found is not None
    return found


def test_what_was_saved_is_loaded(path: Path) -> None:
    profile = Profile("/program.py", {"x": HINT, "y": Hint(is_steady=True)})
    profile.save(path)
    assert load(path, "/program.py") == profile


def test_a_file_that_is_not_there_is_no_reason_to_warn(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(path, "/program.py").loops == {}


def test_another_version_has_another_file(path: Path) -> None:
    assert path_for("/program.py", "2") != path


def test_nothing_is_kept_when_the_cache_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METATRACER_CACHE", "off")
    assert path_for("/program.py", "1") is None


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"]")


def of_another_program(path: Path) -> None:
    Profile("/other.py", {"x": HINT}).save(path)


def of_others(path: Path) -> None:
    path.chmod(0o666)


def not_json(path: Path) -> None:
    kept.write(path, b"\xff{")


def without_loops(path: Path) -> None:
    kept.write(path, json.dumps({"program": "/program.py"}).encode())


def with_numbers(path: Path) -> None:
    loop = {"avoid": [1], "is_steady": True, "is_futile": False}
    kept.write(path, json.dumps({"program": "/program.py", "loops": {"x": loop}}).encode())


def with_a_list(path: Path) -> None:
    kept.write(path, b"[[]]")


@pytest.mark.parametrize(
    "spoil", [damage, of_another_program, of_others, not_json, without_loops, with_numbers, with_a_list]
)
def test_a_file_that_is_not_to_be_trusted_is_ignored_with_one_warning(path: Path, spoil: object) -> None:
    Profile("/program.py", {"x": HINT}).save(path)
    assert callable(spoil)
    spoil(path)
    with pytest.warns(ProfileWarning, match=r"ignores the profile .*\.profile: it is "):
        assert load(path, "/program.py").loops == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(path, "/program.py").loops == {}


def test_the_loops_not_seen_for_longest_are_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "MOST_LOOPS", 2)
    profile = Profile("/program.py", {"x": HINT, "y": HINT})
    profile.note("z", HINT)
    profile.note("x", NOTHING)
    profile.save(path)
    assert load(path, "/program.py").loops == {"z": HINT, "x": NOTHING}


def test_a_replaced_root_leaves_what_to_avoid() -> None:
    assert learned(NOTHING, History(installed=1), ("a",), has_missed=False) == Hint(("a",))


def test_what_comes_and_goes_is_not_worth_avoiding() -> None:
    assert learned(HINT, History(installed=2), ("a",), has_missed=False) == Hint(is_futile=True)
    assert learned(Hint(is_futile=True), History(installed=1), ("a",), has_missed=False) == Hint(is_futile=True)


def test_what_could_not_be_avoided_is_not_tried_again() -> None:
    assert learned(HINT, History(), (), has_missed=True) == Hint(is_futile=True)


def test_a_loop_in_which_nothing_changed_for_a_while_is_steady() -> None:
    assert learned(HINT, History(watched=5.0), (), has_missed=False) == Hint(HINT.avoid, is_steady=True)
    assert learned(HINT, History(watched=0.1), (), has_missed=False) == HINT
    assert learned(HINT, History(watched=5.0, phases=1, changed=2.0), (), has_missed=False) == HINT
    assert learned(HINT, History(watched=5.0, phases=2, changed=0.5), (), has_missed=False) == Hint(HINT.avoid, is_steady=True)
