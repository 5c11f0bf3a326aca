"""Fixtures of the backend's tests."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture
def _left_alone() -> Iterator[None]:
    """No other thread (the one of the test's timeout, say) asks for attention while loops run that are to count exactly."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100.0)
    yield
    sys.setswitchinterval(interval)
