"""metatracer: turn an interpreter written in ordinary Python into a just-in-time compiled one.

Everything an interpreter's author needs is a name of this package. Importing it loads neither networkx nor llvmlite.
"""

from __future__ import annotations

from metatracer import hooks
from metatracer.arithmetic import LONG_BIT, intmask, ovfcheck, r_longlong, r_uint
from metatracer.errors import MetatracerError, ParameterError, UsageError
from metatracer.hints import (
    VirtualRef,
    assert_green,
    conditional_call,
    conditional_call_elidable,
    current_trace_length,
    dont_look_inside,
    elidable,
    elidable_promote,
    enter_portal_frame,
    hint,
    isconstant,
    isvirtual,
    jit_debug,
    leave_portal_frame,
    look_inside,
    look_inside_iff,
    loop_invariant,
    loop_unrolling_heuristic,
    non_virtual_ref,
    not_in_trace,
    promote,
    promote_string,
    promote_unicode,
    record_exact_class,
    record_exact_value,
    record_known_result,
    unroll_safe,
    value_class,
    virtual_ref,
    virtual_ref_finish,
    vref_None,
    we_are_jitted,
)
from metatracer.jit import JitDriver, explain_records, install, preload, set_enabled, statistics_snapshot
from metatracer.params import parameters, set_param, set_user_param
from metatracer.platforms import UntracedWarning

__version__ = "0.1.0"

__all__ = [
    "LONG_BIT",
    "JitDriver",
    "MetatracerError",
    "ParameterError",
    "UntracedWarning",
    "UsageError",
    "VirtualRef",
    "__version__",
    "assert_green",
    "conditional_call",
    "conditional_call_elidable",
    "current_trace_length",
    "dont_look_inside",
    "elidable",
    "elidable_promote",
    "enter_portal_frame",
    "explain_records",
    "hint",
    "hooks",
    "install",
    "intmask",
    "isconstant",
    "isvirtual",
    "jit_debug",
    "leave_portal_frame",
    "look_inside",
    "look_inside_iff",
    "loop_invariant",
    "loop_unrolling_heuristic",
    "non_virtual_ref",
    "not_in_trace",
    "ovfcheck",
    "parameters",
    "preload",
    "promote",
    "promote_string",
    "promote_unicode",
    "r_longlong",
    "r_uint",
    "record_exact_class",
    "record_exact_value",
    "record_known_result",
    "set_enabled",
    "set_param",
    "set_user_param",
    "statistics_snapshot",
    "unroll_safe",
    "value_class",
    "virtual_ref",
    "virtual_ref_finish",
    "vref_None",
    "we_are_jitted",
]
