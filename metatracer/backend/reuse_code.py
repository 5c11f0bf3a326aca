"""Machine code of `reuse.STORE_NEW`: stores that make the new object in the old one.

One function for each *structure*, compiled when first needed and kept: ``i`` and ``f`` are a number, ``(ir)`` is an
instance of any class that holds an int and a reference; ``l`` in front: the place is an item of a list. ::

    void store_new(ptr place, [ptr class, ptr maker,] leaves...)
    void store_new(ptr list, i64 index, [ptr class, ptr maker,] leaves...)

They take over the references among the leaves. The place holds a reference or NULL. The maker gives a new instance of the class
(`support.maker_for`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.layout import INT_DIGIT_BITS, WORD, Layout, layout
from metatracer.backend.operands import LLVM_TYPES, pointer

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER = object.__basicsize__


def store_text(name: str, structure: str, function: Callable[[str], int]) -> str:
    """LLVM text of the function of a structure."""
    return _Functions(layout(), function, structure).text(name)


class _Functions:
    """Writes the function of one structure."""

    def __init__(self, figures: Layout, function: Callable[[str], int], structure: str) -> None:
        self._figures = figures
        self._function = function
        self._in_list = structure.startswith("l")
        self._is_instance = structure.endswith(")")
        self._kinds = structure.removeprefix("l").strip("()")

    def text(self, name: str) -> str:
        """The function."""
        params = ["ptr %list, i64 %index" if self._in_list else "ptr %place"]
        if self._is_instance:
            params.append("ptr %cls, ptr %maker")
        params += [f"{LLVM_TYPES[kind]} %v{n}" for n, kind in enumerate(self._kinds)]
        return f"""
define void @{name}({", ".join(params)}) nounwind {{
{self._find_place("start")}
  %old = load ptr, ptr {self._place("start")}
  %there = icmp ne ptr %old, null
  br i1 %there, label %{"shell" if self._is_instance else "look0"}, label %make
{self._instance() if self._is_instance else self._in_place(0, "done", "make")}
make:
{self._make()}
{self._find_place("end")}
  %last = load ptr, ptr {self._place("end")}
  store ptr %new, ptr {self._place("end")}
  call void {self._c("release")}(ptr %last)
  ret void
done:
  ret void
}}"""

    def _find_place(self, when: str) -> str:
        """The place is looked for again behind an allocation, which may run code that moves the items (3.11)."""
        if not self._in_list:
            return ""
        return f"""  %itemsp.{when} = getelementptr i8, ptr %list, i64 {self._figures.list_items}
  %items.{when} = load ptr, ptr %itemsp.{when}
  %place.{when} = getelementptr ptr, ptr %items.{when}, i64 %index"""

    def _place(self, when: str) -> str:
        return f"%place.{when}" if self._in_list else "%place"

    def _c(self, name: str) -> str:
        return pointer(self._function(name))

    def _boxing(self, kind: str) -> str:
        return self._c("box_int" if kind == "i" else "box_float")

    def _in_place(self, n: int, done: str, otherwise: str) -> str:
        """From block look{n}: put the number %v{n} into the object %old{n} (%old) if that may be done."""
        figures = self._figures
        old = f"%old{n}" if self._is_instance else "%old"
        is_int = self._kinds[n] == "i"
        head = f"""look{n}:
  %tp{n} = getelementptr i8, ptr {old}, i64 {figures.ob_type}
  %type{n} = load ptr, ptr %tp{n}
  %same{n} = icmp eq ptr %type{n}, {pointer(id(int if is_int else float))}
  %count{n} = load i64, ptr {old}
  %single{n} = icmp eq i64 %count{n}, 1
  %mine{n} = and i1 %same{n}, %single{n}
  br i1 %mine{n}, label %own{n}, label %{otherwise}
own{n}:"""
        if not is_int:
            return f"""{head}
  %value{n} = getelementptr i8, ptr {old}, i64 {figures.float_value}
  store double %v{n}, ptr %value{n}
  br label %{done}"""
        limit = (1 << INT_DIGIT_BITS) - 1
        # Of one digit is what has the size 1 or -1; as a tag, 1 << 3 with the sign 0 or 2.
        below, above = (10, 8) if figures.int_tagged else (-1, 1)
        return f"""{head}
  %sizep{n} = getelementptr i8, ptr {old}, i64 {figures.int_size}
  %size{n} = load i64, ptr %sizep{n}
  %positive{n} = icmp eq i64 %size{n}, {above}
  %negative{n} = icmp eq i64 %size{n}, {below}
  %digit{n} = or i1 %positive{n}, %negative{n}
  %shifted{n} = add i64 %v{n}, {limit}
  %short{n} = icmp ule i64 %shifted{n}, {2 * limit}
  %moved{n} = sub i64 %v{n}, {figures.small_int_min}
  %large{n} = icmp ugt i64 %moved{n}, {figures.small_int_max - figures.small_int_min}
  %fits{n} = and i1 %short{n}, %large{n}
  %ok{n} = and i1 %fits{n}, %digit{n}
  br i1 %ok{n}, label %write{n}, label %{otherwise}
write{n}:
  %below{n} = icmp slt i64 %v{n}, 0
  %minus{n} = sub i64 0, %v{n}
  %magnitude{n} = select i1 %below{n}, i64 %minus{n}, i64 %v{n}
  %bits{n} = trunc i64 %magnitude{n} to i32
  %newsize{n} = select i1 %below{n}, i64 {below}, i64 {above}
  store i64 %newsize{n}, ptr %sizep{n}
  %digits{n} = getelementptr i8, ptr {old}, i64 {figures.int_digits}
  store i32 %bits{n}, ptr %digits{n}
  br label %{done}"""

    # --- instances ------------------------------------------------------------------------------------------------------

    def _instance(self) -> str:
        """First the numbers, which can still be given up; then the references; what these were is released last."""
        figures, kinds = self._figures, self._kinds
        numbers = [n for n, kind in enumerate(kinds) if kind != "r"]
        references = [n for n, kind in enumerate(kinds) if kind == "r"]
        blocks = [*[f"part{n}" for n in numbers], "references"]
        parts = "\n".join(self._part(n, after) for n, after in zip(numbers, blocks[1:], strict=True))
        swaps = "\n".join(
            f"{self._word(n)}\n  %old{n} = load ptr, ptr %word{n}\n  store ptr %v{n}, ptr %word{n}" for n in references
        )
        drops = "\n".join(f"  call void {self._c('release')}(ptr %old{n})" for n in references)
        return f"""shell:
  %tp = getelementptr i8, ptr %old, i64 {figures.ob_type}
  %type = load ptr, ptr %tp
  %same = icmp eq ptr %type, %cls
  %count = load i64, ptr %old
  %single = icmp eq i64 %count, 1
  %finalp = getelementptr i8, ptr %cls, i64 {figures.tp_finalize}
  %final = load ptr, ptr %finalp
  %quiet = icmp eq ptr %final, null
  %alone = and i1 %same, %single
  %mine = and i1 %alone, %quiet
  br i1 %mine, label %{blocks[0]}, label %make
{parts}
references:
{swaps}
{drops}
  ret void"""

    def _word(self, n: int) -> str:
        return f"  %word{n} = getelementptr i8, ptr %old, i64 {_HEADER + WORD * n}"

    def _part(self, n: int, after: str) -> str:
        """A number: in place, or a new object for one that is surely released in silence."""
        figures, kind = self._figures, self._kinds[n]
        return f"""part{n}:
{self._word(n)}
  %old{n} = load ptr, ptr %word{n}
  %there{n} = icmp ne ptr %old{n}, null
  br i1 %there{n}, label %look{n}, label %make
{self._in_place(n, after, f"swap{n}")}
swap{n}:
  %stp{n} = getelementptr i8, ptr %old{n}, i64 {figures.ob_type}
  %stype{n} = load ptr, ptr %stp{n}
  %isint{n} = icmp eq ptr %stype{n}, {pointer(id(int))}
  %isfloat{n} = icmp eq ptr %stype{n}, {pointer(id(float))}
  %number{n} = or i1 %isint{n}, %isfloat{n}
  br i1 %number{n}, label %box{n}, label %make
box{n}:
  %boxed{n} = call ptr {self._boxing(kind)}({LLVM_TYPES[kind]} %v{n})
  store ptr %boxed{n}, ptr %word{n}
  call void {self._c("release")}(ptr %old{n})
  br label %{after}"""

    def _make(self) -> str:
        """The new object, %new."""
        lines = []
        contents = []
        for n, kind in enumerate(self._kinds):
            contents.append(f"%v{n}" if kind == "r" else f"%made{n}")
            if kind != "r":
                lines.append(f"  %made{n} = call ptr {self._boxing(kind)}({LLVM_TYPES[kind]} %v{n})")
        if not self._is_instance:
            return "\n".join([*lines, "  %new = bitcast ptr %made0 to ptr"])
        lines.append("  %new = call ptr %maker(ptr %cls)")
        for n, content in enumerate(contents):
            lines.append(f"  %new{n} = getelementptr i8, ptr %new, i64 {_HEADER + WORD * n}")
            lines.append(f"  store ptr {content}, ptr %new{n}")
        return "\n".join(lines)
