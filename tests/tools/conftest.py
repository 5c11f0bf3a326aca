"""Scripts to run, and the command as a function."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metatracer.tools.cli import app


@pytest.fixture
def script(tmp_path):
    """Write a script and give its path."""

    def write(text: str, name: str = "guest.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def command(monkeypatch):
    """Call the command in this process; what it started shows up on the real standard output (see capfd)."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("METATRACER", raising=False)
    monkeypatch.delenv("METATRACER_LOG", raising=False)
    runner = CliRunner()

    def call(*args: object):
        return runner.invoke(app, [str(arg) for arg in args], catch_exceptions=True)

    return call
