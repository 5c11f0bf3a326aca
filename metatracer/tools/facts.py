"""What `metatracer info` tells: platform, versions, parameters."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

import psutil
from rich.table import Table

import metatracer
from metatracer import log, params, platforms
from metatracer.tools.report import bytes_text, plain

if TYPE_CHECKING:
    from rich.console import Console

_LIBRARIES = ("bytecode", "llvmlite", "networkx", "typer", "rich", "psutil")


def collect() -> dict[str, Any]:
    """The facts, as plain data."""
    current = params.defaults()
    return {
        "metatracer": metatracer.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "platform": f"{sys.platform} {platform.machine()}",
        "untraced_because": platforms.unsupported_reason(),
        "started_off": params.STARTED_OFF,
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "log_sections": dict(log.SECTIONS),
        "parameters": [
            {"name": row.name, "value": current[row.name], "default": row.default, "unit": row.unit, "doc": row.doc}
            for row in params.TABLE
        ],
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def show_facts(console: Console, facts: dict[str, Any]) -> None:
    """The facts for a person."""
    plain(console, f"metatracer {facts['metatracer']} on {facts['python']}, {facts['platform']}", "bold")
    if facts["untraced_because"]:
        plain(console, f"everything runs untraced: {facts['untraced_because']}", "yellow")
    elif facts["started_off"]:
        plain(console, f"everything runs untraced: {params.ENVIRONMENT_VARIABLE} says off", "yellow")
    else:
        plain(console, "this machine and Python are supported", "green")
    plain(console, f"{facts['cpus']} processors, {bytes_text(facts['memory_bytes'])} of memory")
    plain(console, ", ".join(f"{name} {version}" for name, version in facts["libraries"].items()))
    table = Table(title="parameters", title_justify="left")
    for column in ("name", "value", "unit", "meaning"):
        table.add_column(column)
    for row in facts["parameters"]:
        value = row["value"]
        shown = value if isinstance(value, str) else ("on" if value else "off") if isinstance(value, bool) else f"{value:g}"
        table.add_row(row["name"], shown, row["unit"], row["doc"])
    console.print(table)
