"""Tests of the example interpreters."""
