"""Interpreters for languages that people use, made with metatracer."""
