"""Traces become machine code: CPython object layouts, LLVM IR text, llvmlite."""
