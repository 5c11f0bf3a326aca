"""A Brainfuck interpreter on a bytearray, with the two hints of metatracer."""
