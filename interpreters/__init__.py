"""Interpreters of whole languages, made with metatracer as an outside author would."""
