"""Trace text: the IR that is printed is the IR that is parsed.

One operation per line, values named by kind letter and number::

    trace calc_loop(r0, r1: W_Int)
      guard_type(r0) {W_Int} -> [run @ 24: 0=r0, 3=r1 | r0]
      r2 = getfield(r0) {W_Int.value slot:16}
      i3 = int_unbox(r2) -> [run @ 24: 0=r0]
      i4 = int_add_ovf(i3, 1) -> [run @ 24: 0=r0]
      label(i5 = i4, r6: W_Int = r0)
      jump(i5, r6)

Constants: ``3`` (i), ``3.0``/``nan``/``inf`` (f), ``true``/``false`` (b); references: ``NULL``, ``None``, ``True``,
``'text'``, ``b'bytes'``, ``&3`` and ``&3.0`` (a Python int, float) or a name of the namespace (or of `WELL_KNOWN`).

Descriptors stand in braces: a field ``{Owner.name slot:16 immutable quasi items}`` (``{Owner.name}`` alone for a field
that `Owner` declares in ``__slots__``, or for a `Field` that the namespace has under that name), a type or value
``{W_Int}``, ``{3}``, a C function ``{number_add}``, the keyword names of a call ``{a, b}``, a loop ``{name}``, a site
``{'driver', 'location', 'file', 12}``.

A snapshot is ``[frame / frame raise r1 ; store, store]``, outermost frame first; ``[raise r1]`` has no frames. A frame is
``function @ index!throw_index: local=value, ... | stack values finish f(kept) nopush``, each part after the index only
when there is something to say. ``[i1, r2]`` is an anonymous frame (no function, index 0) with these as locals 0, 1.
Values of snapshots may be virtual: ``virtual W_Int(W_Int.value slot:16 = i4)``, ``virtual list[r1, i2]``; named at the
first place when used twice (``v1: virtual W_Int(...)``, then ``v1``).

``#`` starts a comment. Not in the text: `Trace.assumptions` and `Operation.guard_id`.
"""

from __future__ import annotations

from metatracer.ir.lexicon import WELL_KNOWN
from metatracer.ir.parser import parse_trace
from metatracer.ir.printer import Printer, format_trace

__all__ = ["WELL_KNOWN", "Printer", "format_trace", "parse_trace"]
