"""The standard library, but for strings and utf8."""
