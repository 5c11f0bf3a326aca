"""A register machine with boxed values, typed like a small dynamic language's virtual machine."""
