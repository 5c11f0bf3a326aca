"""What the repository promises about itself: the README's commands, the checks, the layers."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import metatracer

ROOT = Path(__file__).resolve().parents[2]


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads(_read("pyproject.toml"))


def test_ci_runs_the_readmes_test_command():
    commands = re.findall(r"```sh\n(.*?)```", _read("README.md"), re.DOTALL)
    tests = [line for block in commands for line in block.splitlines() if "/pytest" in line]
    assert len(tests) == 1
    words = tests[0].removeprefix(".venv/bin/")
    assert f'"$1"/bin/{words} ' in _read(".ci/run")


def test_ci_is_a_valid_strict_script():
    assert "set -euo pipefail" in _read(".ci/run")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


def test_pre_commit_runs_what_ci_runs():
    ci, hooks = _read(".ci/run"), _read(".pre-commit-config.yaml")
    for tool in ("ruff", "mypy", "lint-imports"):
        assert f'bin/{tool}"' in ci
        assert re.search(rf"entry: {tool}\b", hooks)


def test_command_and_version(project):
    assert project["project"]["scripts"] == {"metatracer": "metatracer.tools.command:main"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", metatracer.__version__)


def test_every_package_is_in_the_layers(project):
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name for layer in layers for name in re.findall(r"[\w.]+", layer)}
    there = {
        f"metatracer.{path.stem}"
        for path in (ROOT / "metatracer").iterdir()
        if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert named == there


def test_every_ignored_lint_rule_has_a_reason():
    section = _read("pyproject.toml").split("ignore = [")[1].split("\n]")[0]
    rules = [line.strip() for line in section.splitlines() if line.strip()]
    assert rules
    for line in rules:
        assert re.match(r'"[A-Z]+\d+",\s+# \S.{15,}', line), line


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
