"""The command over a real portal: everything from the script to the machine code and back."""

from __future__ import annotations

import json

import pytest

from metatracer.tools import guest
from metatracer.tools.comparison import compare

INTERPRETER = """
    import sys
    from metatracer import JitDriver

    driver = JitDriver(greens=["pc", "code"], name="toy", get_printable_location=lambda pc, code: f"pc {pc}")
    PUSH_LOOP = (("add", 3), ("print_sometimes", 0), ("back", 0), ("end", 0))

    def show(counter):
        print("at", counter)

    @driver.portal
    def run(code, counter):
        pc = 0
        total = 0
        while True:
            driver.jit_merge_point(pc=pc, code=code)
            name, number = code[pc]
            pc += 1
            if name == "add":
                total += number
            elif name == "print_sometimes":
                if counter % 1000 == 0:
                    show(counter)
            elif name == "back":
                counter -= 1
                if counter > 0:
                    pc = number
                    driver.can_enter_jit(pc=pc, code=code)
            else:
                return total

    def main(argv):
        print(run(PUSH_LOOP, int(argv[0])))

    if __name__ == "__main__":
        main(sys.argv[1:])
"""
MERGE_LINE = 16


@pytest.fixture
def interpreter(script):
    return script(INTERPRETER, "toy.py")


def test_traced_and_untraced_agree_and_loops_are_compiled(interpreter):
    found = compare(interpreter, ["5000"], runs=1, iterations=2, parameters="payback=0")
    assert found.is_good, (found.difference, found.failures)
    assert found.traced.statistics["loops_compiled"] >= 1
    assert found.traced.statistics["machine_code_bytes"] > 0
    assert found.untraced.statistics["portals_installed"] == 0
    assert found.messages == ""


def test_explain_names_the_loop_and_its_place(command, interpreter):
    result = command("explain", "-p", "payback=0", interpreter, "--", "3000")
    assert result.exit_code == 0
    assert "compiled: toy pc 0" in result.stdout
    assert f"merge point at {interpreter}:{MERGE_LINE}" in result.stdout


def test_explain_says_what_is_cold(command, interpreter):
    result = command("explain", "-p", "threshold=100000", interpreter, "--", "3000")
    assert "counting: toy pc 0" in result.stdout
    assert "loops are recorded after 100000 (the parameter `threshold`)" in result.stdout


def test_off_strips_the_portal_only(command, interpreter, capfd):
    result = command("run", "--off", "--json", interpreter, "--", "2500")
    figures = json.loads(result.stderr)
    assert (figures["portals_installed"], figures["loop_entries"]) == (0, 0)
    assert capfd.readouterr().out.splitlines() == ["at 2000", "at 1000", "7500"]


def test_logs_of_a_real_run(command, interpreter, tmp_path):
    log = f"record,opt,llvm:{tmp_path}/log"
    assert command("run", "-p", "payback=0", "--log", log, interpreter, "--", "3000").exit_code == 0
    text = (tmp_path / "log").read_text(encoding="utf-8")
    for section in ("record", "opt", "llvm"):
        assert f"[{section} " in text


@pytest.mark.parametrize("name", guest.example_names())
def test_examples_run_by_name(command, name, capfd):
    programs = sorted((guest.find_script(name).parent / "programs").glob("count.*"))
    assert len(programs) == 1
    arguments = [] if name == "brainfuck" else ["500"]
    assert command("run", name, "--", programs[0].name, *arguments).exit_code == 0
    traced = capfd.readouterr().out
    assert command("run", "--off", name, "--", programs[0].name, *arguments).exit_code == 0
    assert traced == capfd.readouterr().out
    assert traced
