"""Hooks: registration, order, and failures that stay with the hook."""

from __future__ import annotations

import pytest

from metatracer import UsageError, hooks
from metatracer.hooks import AbortEvent, CompileEvent, GuardFailureEvent, InvalidateEvent
from metatracer.statistics import STATISTICS

EVENTS = {
    "compile": CompileEvent(driver="d", trace=1),
    "bridge": CompileEvent(driver="d", trace=2, guard=7),
    "abort": AbortEvent(driver="d", reason="TOO_DEEP", sentence="too deep"),
    "guard_failure": GuardFailureEvent(driver="d", guard=7, failures=3),
    "invalidate": InvalidateEvent(driver="d", trace=1, assumption="global x changed"),
}
ON = {
    "compile": hooks.on_compile,
    "bridge": hooks.on_bridge,
    "abort": hooks.on_abort,
    "guard_failure": hooks.on_guard_failure,
    "invalidate": hooks.on_invalidate,
}


@pytest.fixture(autouse=True)
def _no_hooks(monkeypatch):
    for kind in hooks.registered:
        monkeypatch.setitem(hooks.registered, kind, [])


def test_every_kind_has_a_function():
    assert set(ON) == set(EVENTS) == set(hooks.registered)


@pytest.mark.parametrize("kind", EVENTS)
def test_hooks_hear_their_kind_in_order(kind):
    heard = []

    @ON[kind]
    def first(event):
        heard.append(("first", event))

    ON[kind](lambda event: heard.append(("second", event)))
    for each, event in EVENTS.items():
        hooks.fire(each, event)
    assert heard == [("first", EVENTS[kind]), ("second", EVENTS[kind])]
    assert hooks.unregister(first) is True
    assert hooks.unregister(first) is False
    hooks.fire(kind, EVENTS[kind])
    assert [name for name, _ in heard] == ["first", "second", "second"]


def test_bound_methods_can_be_unregistered():
    class Tool:
        def hear(self, event):
            raise AssertionError

    tool = Tool()
    hooks.on_compile(tool.hear)
    assert hooks.unregister(tool.hear) is True
    assert hooks.registered["compile"] == []


def test_a_failing_hook_is_reported_counted_and_does_not_stop_others(capsys):
    heard = []

    @hooks.on_compile
    def broken(event):
        raise ValueError("broken hook")

    hooks.on_compile(heard.append)
    before = STATISTICS.hook_errors
    hooks.fire("compile", EVENTS["compile"])
    assert heard == [EVENTS["compile"]]
    assert STATISTICS.hook_errors == before + 1
    shown = capsys.readouterr().err
    assert "failed in on_compile; the program goes on:" in shown
    assert "ValueError: broken hook" in shown
    assert __file__ in shown


def test_ctrl_c_in_a_hook_passes():
    @hooks.on_abort
    def interrupted(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hooks.fire("abort", EVENTS["abort"])


def test_hook_may_unregister_itself_while_called():
    heard = []

    def once(event):
        heard.append(event)
        hooks.unregister(once)

    hooks.on_compile(once)
    hooks.on_compile(heard.append)
    hooks.fire("compile", EVENTS["compile"])
    hooks.fire("compile", EVENTS["compile"])
    assert len(heard) == 3


def test_hook_must_be_callable():
    with pytest.raises(UsageError, match="on_compile takes a function of one argument, the event, not 3"):
        hooks.on_compile(3)
