"""CPython code objects become JitCode: registers, explicit operands, one form for every supported version."""
