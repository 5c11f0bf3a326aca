"""Tests of metatracer; a package, so that the harness can be run as `python -m tests.differential.fuzz`."""
