"""Parameters: checking, setting for one driver and for all, the environment, and the context manager."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metatracer import JitDriver, ParameterError, parameters, set_param, set_user_param
from metatracer import params as params_module
from metatracer.params import BY_NAME, TABLE, Parameters, check, defaults, parse

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _unchanged_defaults():
    before = defaults()
    yield
    for name, value in before.items():
        set_param(None, name, value)


@pytest.fixture
def driver() -> JitDriver:
    return JitDriver(greens=["pc"], name="params-test")


def test_every_row_is_an_annotated_attribute_in_order():
    assert list(Parameters.__annotations__) == [row.name for row in TABLE]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_default_is_allowed(row):
    assert check(row.name, row.default) == row.default
    assert row.doc
    assert not row.doc.endswith(".")


def test_names_are_unique():
    assert len(BY_NAME) == len(TABLE)


def test_driver_starts_with_defaults(driver):
    assert driver.params.as_dict() == defaults()


def test_setting_one_driver_leaves_others(driver):
    other = JitDriver(greens=["pc"])
    set_param(driver, "threshold", 5)
    assert driver.params.threshold == 5
    assert other.params.threshold == BY_NAME["threshold"].default
    assert defaults()["threshold"] == BY_NAME["threshold"].default


def test_setting_all_reaches_present_and_future_drivers_and_own_values(driver):
    own = JitDriver(greens=["pc"])
    set_param(own, "threshold", 9)
    set_param(None, "threshold", 3)
    assert (driver.params.threshold, own.params.threshold) == (3, 3)
    assert JitDriver(greens=["pc"]).params.threshold == 3


@pytest.mark.parametrize("word", [None, "default", " default "])
def test_default_goes_back(driver, word):
    set_param(driver, "trace_limit", 77)
    set_param(driver, "trace_limit", word)
    assert driver.params.trace_limit == BY_NAME["trace_limit"].default


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("threshold", "12", 12),
        ("inlining", "off", False),
        ("inlining", 1, True),
        ("inlining", " On ", True),
        ("backoff_factor", 3, 3.0),
        ("backoff_factor", "1.5", 1.5),
    ],
)
def test_values_are_converted_to_their_type(driver, name, value, expected):
    set_param(driver, name, value)
    found = getattr(driver.params, name)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("treshold", 3, "no parameter 'treshold'; did you mean threshold"),
        ("qqqq", 3, "no parameter 'qqqq'; there are: enable, threshold"),
        ("threshold", "many", "threshold takes a whole number, not 'many'"),
        ("threshold", 1.5, "threshold takes a whole number, not 1.5"),
        ("threshold", True, "threshold takes a whole number, not True"),
        ("threshold", -1, "threshold must be from 0 to"),
        ("inlining", "perhaps", "inlining takes on or off"),
        ("inlining", 2, "inlining takes on or off"),
        ("backoff_factor", "nan", "backoff_factor must be from"),
        ("backoff_factor", object, "backoff_factor takes a number"),
    ],
)
def test_mistakes_are_sentences_and_change_nothing(driver, name, value, sentence):
    before = driver.params.as_dict()
    with pytest.raises(ParameterError, match=sentence):
        set_param(driver, name, value)
    assert driver.params.as_dict() == before


def test_first_argument_must_be_a_driver():
    with pytest.raises(ParameterError, match="must be a JitDriver or None"):
        set_param("calc", "threshold", 3)


def test_user_text(driver):
    set_user_param(driver, "threshold=4, trace_limit = 100")
    assert (driver.params.threshold, driver.params.trace_limit) == (4, 100)
    set_user_param(driver, "off")
    assert driver.params.enable is False
    set_user_param(driver, "default")
    assert driver.params.as_dict() == defaults()


def test_user_text_mistakes():
    with pytest.raises(ParameterError, match="expected off, on, default or name=value, not 'of'"):
        parse("of")
    with pytest.raises(ParameterError, match="no parameter 'thresh'"):
        parse("thresh=1")
    assert parse("") == {}


def test_later_word_wins():
    assert parse("off,on") == {"enable": True}
    assert parse("on,threshold=2,off") == {"enable": False, "threshold": 2}


def test_context_manager_restores_own_and_default_values(driver):
    other = JitDriver(greens=["pc"])
    set_param(driver, "threshold", 11)
    with parameters(threshold=1, trace_limit=50):
        assert (driver.params.threshold, other.params.threshold, other.params.trace_limit) == (1, 1, 50)
        made_inside = JitDriver(greens=["pc"])
        assert made_inside.params.threshold == 1
    assert driver.params.threshold == 11
    assert other.params.threshold == BY_NAME["threshold"].default
    assert made_inside.params.threshold == BY_NAME["threshold"].default
    set_param(None, "threshold", 20)
    assert driver.params.threshold == 20


def test_context_manager_for_one_driver(driver):
    other = JitDriver(greens=["pc"])
    with parameters(driver, threshold=1):
        assert (driver.params.threshold, other.params.threshold) == (1, BY_NAME["threshold"].default)
    assert driver.params.threshold == BY_NAME["threshold"].default


def test_context_manager_restores_after_an_exception(driver):
    with pytest.raises(ZeroDivisionError), parameters(threshold=1):
        1 / 0
    assert driver.params.threshold == BY_NAME["threshold"].default


def test_context_manager_checks_before_it_sets(driver):
    with pytest.raises(ParameterError), parameters(threshold=1, nonsense=2):
        pass
    assert driver.params.threshold == BY_NAME["threshold"].default


def test_watchers_hear_changes_only(driver):
    heard: list[str] = []
    driver.params.watch(heard.append)
    set_param(driver, "threshold", 5)
    set_param(driver, "threshold", 5)
    set_param(None, "inlining", False)
    assert heard == ["threshold", "inlining"]


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


def test_environment_sets_defaults():
    code = "import metatracer as m; p = m.JitDriver(['pc']).params; print(p.threshold, p.enable, m.params.STARTED_OFF)"
    assert _python(code, METATRACER="threshold=7").stdout.split() == ["7", "True", "False"]
    assert _python(code, METATRACER="off").stdout.split() == [str(BY_NAME["threshold"].default), "False", "True"]


def test_environment_mistake_names_the_variable():
    done = _python("import metatracer; print('imported'); metatracer.JitDriver()", METATRACER="treshold=7")
    assert (done.returncode, done.stdout) == (1, "imported\n")
    assert "in the environment variable METATRACER='treshold=7': there is no parameter 'treshold'" in done.stderr
    done = _python("import metatracer; metatracer.JitDriver()", METATRACER_OPT="-peal")
    assert done.returncode == 1
    assert "METATRACER_OPT: no pass named 'peal'; there are: virtuals, fold," in done.stderr


def test_documentation_lists_the_table():
    text = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    for row in TABLE:
        shown = row.default if row.choices else f"{row.default:g}"
        default = ("on" if row.default else "off") if isinstance(row.default, bool) else shown
        assert f"| `{row.name}` | {default} | {row.unit} | {row.doc} |" in text


def test_drivers_do_not_stay_alive_through_their_parameters():
    import gc
    import weakref

    made = JitDriver(greens=["pc"])
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None
    assert params_module.defaults() == defaults()
