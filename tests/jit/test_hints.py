"""Hints in plain Python: identities, attributes, and the sentences for wrong uses."""

from __future__ import annotations

import inspect
import threading

import pytest

import metatracer as m
from metatracer import UsageError
from metatracer.hints import constants_of_predicate


def test_calls_are_identities():
    thing = object()
    assert m.promote(thing) is thing
    assert m.promote_string("a" * 3) == "aaa"
    assert m.promote_unicode(thing) is thing
    assert m.hint(thing, promote=True, access_directly=True) is thing
    assert m.assert_green(thing) is None
    assert m.jit_debug("here", 1) is None
    assert m.record_exact_class(1, int) is None
    assert m.record_exact_value(thing, thing) is None
    assert m.record_known_result(3, len, "abc") is None
    assert m.enter_portal_frame(1) is None
    assert m.leave_portal_frame(1) is None


def test_questions_are_answered_as_in_the_interpreter():
    assert m.we_are_jitted() is False
    assert m.isconstant(1) is False
    assert m.isvirtual([]) is False
    assert m.current_trace_length() == -1
    assert m.loop_unrolling_heuristic([], 0) is True
    assert m.loop_unrolling_heuristic([1], 1) is False


def test_predicates_are_told_what_the_recorder_knows():
    known, fresh, other = object(), [], object()
    with constants_of_predicate([known], [fresh]):
        assert (m.isconstant(known), m.isconstant(fresh), m.isconstant(other)) == (True, False, False)
        assert (m.isvirtual(fresh), m.isvirtual([])) == (True, False)
        with constants_of_predicate([other]):
            assert (m.isconstant(known), m.isconstant(other)) == (False, True)
        assert m.isconstant(known)
    assert not m.isconstant(known)


def test_what_a_predicate_is_told_stays_in_its_thread():
    known = object()
    answers = []
    with constants_of_predicate([known]):
        thread = threading.Thread(target=lambda: answers.append(m.isconstant(known)))
        thread.start()
        thread.join()
    assert answers == [False]


@pytest.mark.parametrize(
    ("hint", "attribute", "value"),
    [
        (m.elidable, "_jit_elidable_", True),
        (m.unroll_safe, "_jit_unroll_safe_", True),
        (m.look_inside, "_jit_look_inside_", True),
        (m.dont_look_inside, "_jit_look_inside_", False),
        (m.loop_invariant, "_jit_loop_invariant_", True),
        (m.not_in_trace, "_jit_not_in_trace_", True),
    ],
)
def test_decorators_set_their_attribute_and_give_the_function_back(hint, attribute, value):
    def function():
        return 5

    assert hint(function) is function
    assert getattr(function, attribute) is value
    assert function() == 5


def test_look_inside_iff_keeps_the_predicate():
    def predicate(x):
        return m.isconstant(x)

    @m.look_inside_iff(predicate)
    def function(x):
        return x + 1

    assert function._jit_look_inside_iff_ is predicate
    assert function(1) == 2


def test_elidable_promote_wraps_with_the_same_arguments(monkeypatch):
    @m.elidable_promote("0,2")
    def add(a, b, c=4):
        """Adds."""
        return a + b + c

    assert add(1, 2) == 7
    assert add(1, c=2, b=3) == 6
    assert str(inspect.signature(add.__wrapped__)) == "(a, b, c=4)"
    assert add.__code__.co_varnames == ("a", "b", "c")
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert add.__wrapped__._jit_elidable_ is True
    promoted = []
    monkeypatch.setitem(add.__globals__, "_promote", lambda x: promoted.append(x) or x)
    add("a", "b", "c")
    assert promoted == ["a", "c"]


def test_what_is_worked_out_once():
    calls = []

    def work(x):
        calls.append(x)
        return x

    assert m.conditional_call_elidable(5, work, 1) == 5
    assert m.conditional_call_elidable(False, work, 1) is False
    assert m.conditional_call_elidable("", work, 1) == ""
    assert m.conditional_call_elidable(None, work, 7) == 7
    assert m.conditional_call_elidable(0, work, 8) == 8
    assert calls == [7, 8]


def test_conditional_call():
    calls = []
    m.conditional_call(False, calls.append, 1)
    m.conditional_call(True, calls.append, 2)
    assert calls == [2]


def test_virtual_references():
    thing = object()
    reference = m.virtual_ref(thing)
    assert reference() is thing
    assert reference.virtual is False
    m.virtual_ref_finish(reference, thing)
    assert reference() is thing
    assert m.non_virtual_ref(thing)() is thing
    assert m.non_virtual_ref(None) is m.vref_None
    assert m.vref_None() is None


def _generator():
    yield 1


def _takes(x):
    return x


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda: m.elidable(len), "@elidable goes on a function written in Python, not on <built-in function len>"),
        (lambda: m.unroll_safe(int), "@unroll_safe goes on a function written in Python"),
        (lambda: m.elidable(staticmethod(_takes)), "put it below @staticmethod, directly above the def"),
        (lambda: m.dont_look_inside(property(_takes)), "put it below @property, directly above the def"),
        (lambda: m.elidable(_generator), "@elidable cannot go on _generator: generators"),
        (lambda: m.loop_invariant(_takes), "@loop_invariant needs a function without arguments; _takes takes some"),
        (lambda: m.look_inside_iff(True), "@look_inside_iff takes a predicate"),
        (lambda: m.elidable_promote(_takes), "@elidable_promote is written with parentheses"),
        (lambda: m.elidable_promote("1")(_takes), "takes 'all' or argument numbers below 1 like '0,2', not '1'"),
        (lambda: m.elidable_promote("a")(_takes), "not 'a'"),
        (lambda: m.elidable_promote()(lambda *a: a), "@elidable_promote needs plain positional arguments only"),
        (lambda: m.hint(1, promoted=True), "no flag 'promoted'; there are access_directly"),
    ],
)
def test_wrong_uses_get_a_sentence_with_a_place(use, sentence):
    with pytest.raises(UsageError) as caught:
        use()
    assert sentence in str(caught.value)
    assert caught.value.filename == __file__
    assert isinstance(caught.value.lineno, int)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (m.dont_look_inside, m.unroll_safe),
        (m.look_inside, m.dont_look_inside),
        (m.dont_look_inside, m.look_inside_iff(_takes)),
        (m.look_inside_iff(_takes), m.elidable),
    ],
)
def test_contradictions_are_told(one, other):
    def function():
        pass

    one(function)
    with pytest.raises(UsageError, match="which contradict each other; keep one"):
        other(function)


def test_hints_that_go_together():
    def function():
        pass

    m.elidable(m.unroll_safe(function))
    assert function._jit_elidable_
    assert function._jit_unroll_safe_
