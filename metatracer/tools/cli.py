"""The command `metatracer`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from metatracer.errors import UsageError
from metatracer.tools import guest, report, traces
from metatracer.tools.command import run_language
from metatracer.tools.comparison import Comparison, compare
from metatracer.tools.facts import collect, show_facts
from metatracer.tools.guest import Job

app = typer.Typer(
    name="metatracer",
    help="Run, measure and explain interpreters that are traced by metatracer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ScriptArgs = Annotated[list[str] | None, typer.Argument(help="the script's own arguments, behind --")]
Param = Annotated[list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="set a parameter")]
Log = Annotated[str | None, typer.Option("--log", metavar="SECTIONS:FILE", help="as METATRACER_LOG")]


def _output() -> Console:
    return Console()


def _messages() -> Console:
    return Console(stderr=True)


@app.command()
def run(
    script: Annotated[str, typer.Argument(metavar="FILE.py", help="a script, or the name of a bundled example")],
    args: ScriptArgs = None,
    param: Param = None,
    log: Log = None,
    off: Annotated[bool, typer.Option("--off", help="untraced")] = False,
    stats: Annotated[bool, typer.Option("--stats", help="then show what the tracer did, on standard error")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="with --stats: as JSON")] = False,
) -> None:
    """Run a script that contains portals, as `python FILE.py ARGS` would, traced."""
    path = guest.find_script(script)
    job = Job(
        path, guest.find_programs(path, args or []), traced=not off, parameters=",".join(param or ()), log=log
    )
    result = guest.start(job, capture=False)
    if (stats or as_json) and result.report:
        figures = result.report["statistics"]
        if as_json:
            typer.echo(json.dumps(figures, indent=2), err=True)
        else:
            report.show_statistics(_messages(), figures)
    elif result.failure and result.status < 0:
        report.plain(_messages(), f"metatracer: {result.failure}", "red")
    raise typer.Exit(_shell_status(result.status))


def _shell_status(status: int) -> int:
    """A process's status as a shell would tell it: 128 + signal for one that was killed."""
    return status if status >= 0 else 128 - status


@app.command(name="compare")
def compare_command(
    target: Annotated[
        str | None, typer.Argument(metavar="[FILE.py | EXAMPLE]", help="a script, or the name of a bundled example")
    ] = None,
    args: ScriptArgs = None,
    runs: Annotated[int, typer.Option(min=1, help="processes on each side")] = 3,
    iterations: Annotated[int, typer.Option(min=1, help="calls in each process")] = 10,
    param: Param = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds for each process")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="print everything as JSON")] = False,
) -> None:
    """Compare one guest program, untraced and traced, in separate processes.

    If the script has a function main(argv), one iteration is one call of it with standard output captured; the first is
    the cold one, the median of the later half is the warm time. A function prepare(argv) is preferred: it is called once
    and gives the function to call. Without either each process runs the script once.
    The exit status is 1 when the two sides do not do the same.
    """
    name, script_args = _comparison_target(target, args or [])
    script = guest.find_script(name)
    total = runs * 2
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_messages(), transient=True) as progress:
        task = progress.add_task("untraced", total=total)

        def step(side: str) -> None:
            progress.update(task, advance=1, description="traced" if side == "untraced" else "untraced")

        found = compare(
            script,
            guest.find_programs(script, script_args),
            runs=runs,
            iterations=iterations,
            parameters=",".join(param or ()),
            timeout_seconds=timeout,
            progress=step,
        )
    _show_comparison(found, as_json)
    raise typer.Exit(0 if found.is_good else 1)


def _comparison_target(target: str | None, args: list[str]) -> tuple[str, list[str]]:
    """The script and its arguments; the default ones when nothing was said."""
    if target is not None:
        return target, args
    if guest.DEFAULT_EXAMPLE not in guest.example_names():
        raise UsageError("this installation has no bundled examples; name a script: metatracer compare FILE.py -- ARGS")
    return guest.DEFAULT_EXAMPLE, args or list(guest.DEFAULT_ARGUMENTS)


def _show_comparison(found: Comparison, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        report.show_comparison(_output(), found)


@app.command()
def explain(
    script: Annotated[str, typer.Argument(metavar="FILE.py", help="a script, or the name of a bundled example")],
    args: ScriptArgs = None,
    param: Param = None,
    show_output: Annotated[bool, typer.Option("--show-output", help="let the script's output through")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the records as JSON")] = False,
) -> None:
    """Run a script traced and tell which loops were compiled, which were not, and why."""
    path = guest.find_script(script)
    job = Job(path, guest.find_programs(path, args or []), parameters=",".join(param or ()))
    messages = _messages()
    if messages.is_terminal and not show_output:
        with messages.status(f"running {job.script.name}"):
            result = guest.start(job, capture=False, show_output=show_output)
    else:
        result = guest.start(job, capture=False, show_output=show_output)
    if result.failure:
        raise UsageError(f"nothing to explain: {result.failure}")
    loops: list[dict[str, Any]] = result.report["loops"]
    if as_json:
        typer.echo(json.dumps(loops, indent=2))
    else:
        report.show_loops(_output(), loops, result.report["parameters"])
        report.show_short_lived_greens(_output(), result.report["short_lived_greens"])
    raise typer.Exit(_shell_status(result.status))


@app.command()
def trace(
    script: Annotated[str, typer.Argument(metavar="FILE.py", help="a script, or the name of a bundled example or language")],
    args: ScriptArgs = None,
    stage: Annotated[list[str] | None, typer.Option("--stage", "-s", metavar="NAME,...", help="which stages; all")] = None,
    loop: Annotated[
        list[str] | None, typer.Option("--loop", "-l", metavar="TEXT", help="a trace's number, name, or part of a location")
    ] = None,
    snapshots: Annotated[bool, typer.Option("--snapshots", help="with what each guard goes on with")] = False,
    param: Param = None,
    show_output: Annotated[bool, typer.Option("--show-output", help="let the script's output through")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Run a script traced and print its traces: as recorded, optimized, and as machine code.

    Loops are compiled soon here, whether it pays or not (payback=0).
    Stages are, in order: recorded; each pass of METATRACER_OPT by its name (the trace with the passes up to that one);
    optimized (what is compiled); llvm, llvm-passes, and machine.
    """
    path = guest.find_script(script)
    stages = traces.chosen_stages(stage)
    # Whoever wants to see traces does not want to run the program for long first.
    parameters = ",".join(["payback=0", *(param or ())])
    job = Job(path, guest.find_programs(path, args or []), parameters=parameters, stages=stages, snapshots=snapshots)
    result = guest.start(job, capture=False, show_output=show_output)
    if result.failure:
        raise UsageError(f"there are no traces to show: {result.failure}")
    found = traces.chosen_traces(result.report["traces"], loop)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        traces.show_traces(_output(), found, stages)
    raise typer.Exit(_shell_status(result.status))


@app.command()
def info(as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False) -> None:
    """Tell whether this machine and Python are supported, versions, and the parameters."""
    facts = collect()
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        show_facts(_output(), facts)


@app.command(
    name="lua", add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)  # fmt: skip
def lua_command(context: typer.Context) -> None:
    """Run Lua: options and arguments are those of `lua`, and more (`metatracer lua --help`)."""
    raise typer.Exit(run_language("lua", context.args))


@app.command(
    name="scheme", add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)  # fmt: skip
def scheme_command(context: typer.Context) -> None:
    """Run Scheme: a file, an expression, or a dialogue (`metatracer scheme --help`)."""
    raise typer.Exit(run_language("scheme", context.args))
