"""The meta-interpreter: runs JitCode on real objects and records what it does."""
