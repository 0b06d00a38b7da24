"""The command line: `igan` or `python -m igan_lib` and run, show, table, report, data, notebook, quickstart,
adapt, search, add.

Exit codes: 0 done, 1 a run or a notebook failed (a wrong parameter of a notebook too) or a result is damaged, 2 wrong
usage or wrong input.
"""

import argparse
import errno
import io
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from igan_lib.checkout import IS_CHECKOUT, ROOT
from igan_lib.errors import ConfigError, DataWarning, IganError, Interrupted, NotebookError, TrainingError
from igan_lib.photos.commands import add_commands, given_once

# As in `studies.STUDIES`, which loads pandas: help comes at once.
TABLES = "table1, table2, table3, table3-cross, igan-plus, igan-plus-retrieval, backbones, backbones-retrieval, "
TABLES += "retrieval-digits, retrieval-digits-cross, code-length, table4, table4-no-batch-norm or arguments"
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EEXIST)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, run the command and return the exit code; errors are one sentence on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that has no arrow shows "?" and loses no result
    try:
        arguments = _parser().parse_args(argv)
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show_warning, warnings.showwarning)
            return arguments.command(arguments) or 0
    except IganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, (TrainingError, NotebookError)) else 2
    except ModuleNotFoundError as error:
        if (error.name or "igan_lib").partition(".")[0] == "igan_lib":
            raise
        remedy = "activate the environment (. .venv/bin/activate or conda activate igan), or make it: make quickstart"
        print(f"error: Expected the package {error.name}, found none in {sys.executable}: {remedy}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(stopped if isinstance(stopped, Interrupted) else "Stopped: run the same again.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who reads the output, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _UNWRITABLE or not error.filename:
            raise
        space = "free some space, or " if error.errno == errno.ENOSPC else ""
        remedy = f"{space}name another folder (--results, or -p results=DIR figures=DIR of a notebook)"
        print(f"error: Expected to write {error.filename}, found {error.strerror}: {remedy}", file=sys.stderr)
        return 2


def _show_warning(others: Callable, message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """A note on the user's data as its sentence alone, without the library's line; others as ever."""
    if issubclass(category, DataWarning):
        print(f"note: {message}", file=sys.stderr)
    else:
        others(message, category, *where, **more)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m igan_lib", description="IGAN: domain adaptive hashing")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Callable, text: str, **options: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(function.__name__.strip("_"), help=text, **options)
        added.set_defaults(command=function)
        return added

    run = command(_run, "train and evaluate one configuration", allow_abbrev=False)
    domains = "digits, digits12, mnist5k, mnist, usps, svhn, svhn7k, amazon, webcam, dslr, folder:PATH or npz:PATH"
    methods = "igan (default), igan+, source-only, noda, dah, suh, itq, ba, uh-bdnn, dann, dan, adda, cdan, mstn, "
    methods += "drcn, cogan, duplex, cycada, i2i, mcc or shot"
    run.add_argument("source", help=domains)
    run.add_argument("target", help="another one")
    run.add_argument("--method", default="igan", help=methods)
    run.add_argument("--seed", type=int, nargs="+", default=[0], metavar="N", help="one or more seeds (default 0)")
    values = {"nargs": "+", "default": [], "metavar": "KEY=VALUE", "type": _assignment}
    run.add_argument("--set", **values, help="replace values, as in: --set alpha=0.2 (docs/choices.md)")
    run.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    run.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: torch's choice)")
    run.add_argument("--download", action="store_true", help="let torchvision download what is missing")
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    show = command(_show, "list the results that are there")
    for name in ("method", "source", "target", "profile"):
        show.add_argument(f"--{name}", help=f"only results of this {name}")
    table = command(_table, "mean and interval over seeds, beside the paper: printed as Markdown, and written")
    table.add_argument("study", nargs="?", help=f"{TABLES} (default: all presets that were run)")
    table.add_argument("--metric", help="without a table's name: a key of the results' metrics (target_accuracy)")
    report = command(_report, "one HTML file of tables, claims, figures and what is missing")
    report.add_argument("--studies", help="names separated by commas (default: all tables)")
    report.add_argument("--seeds", type=int, default=5, help="how many are wanted of each run (default 5)")
    report.add_argument("--figures", type=Path, default=ROOT / "figures", help="folder (default: the project's)")
    command(_data, "what data are there, what is missing, how to get it")
    notebook = command(_notebook, "execute a notebook headless, with checked parameters")
    notebook.add_argument("notebook", type=Path)
    notebook.add_argument("output", type=Path, help="the executed copy")
    quickstart = command(_quickstart, "run notebook 00 on embedded data and print what came out")
    add_commands(command, _assignment)

    for used in (table, report):
        used.add_argument("--pairs", help="other pairs than the tables' own, as in mnist5k:digits,usps:digits")
        used.add_argument("--backbone", default="efficientnet_lite2", help="of Office-31 (efficientnet_lite2)")
        used.add_argument("--regime", default="frozen", help="of Office-31: frozen (default) or finetuned")
    for used in (run, table, report):
        used.add_argument("--profile", default="cpu", help="smoke, quick, cpu (default) or paper")
    whose = "project's" if IS_CHECKOUT else "working folder's"
    for used in (run, show, table, report):
        used.add_argument("--results", type=Path, default=ROOT / "results", help=f"folder (default: the {whose})")
    for used in (notebook, quickstart):
        text = "values of the notebook's parameters cell, as in: -p seed=1 profile=smoke"
        used.add_argument("-p", dest="parameters", nargs="+", default=[], metavar="NAME=VALUE", help=text)
    return parser


def _run(arguments: argparse.Namespace) -> None:
    import torch  # where it is needed: help and usage errors come at once

    from igan_lib.experiment.result import result_path
    from igan_lib.experiment.run import run

    if arguments.threads is not None:
        if arguments.threads < 1:
            raise ConfigError(f"Expected at least 1 thread, found {arguments.threads}: give a positive number.")
        torch.set_num_threads(arguments.threads)
    where = {name: getattr(arguments, name) for name in ("device", "results", "download")}
    for config in _configs(arguments):
        there = (path := result_path(config, arguments.results)).exists()
        result = run(config, progress=not arguments.quiet, **where)
        told = f"{'read from' if there else 'result'}: {path}"
        print(f"{config.name}: {_metrics(result.metrics)}\n{told}", flush=True)


def _configs(arguments: argparse.Namespace) -> list[Any]:
    """The configurations that the arguments of `run` ask for, one a seed."""
    from igan_lib.experiment.presets import preset

    named = {name: getattr(arguments, name) for name in ("source", "target", "profile", "method")}
    replaced = given_once(arguments.set)
    return [preset(seed=seed, **named, **replaced) for seed in arguments.seed]


def _assignment(text: str) -> tuple[str, Any]:
    """KEY=VALUE as a pair; the value is JSON where it parses as JSON, a string otherwise."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"Expected KEY=VALUE after --set, found {text!r}: write it as in alpha=0.2.")
    if key in ("source", "target", "method", "profile", "seed"):
        raise ConfigError(f"Expected another key after --set, found {key!r}: give it as the argument of that name.")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def _metrics(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f} %" for name, value in metrics.items())


def _show(arguments: argparse.Namespace) -> int:
    from igan_lib.experiment.presets import changed_settings, check_name
    from igan_lib.reproduction.results import is_stale, read_results

    if arguments.method is not None:
        check_name("method", arguments.method)
    results, damaged = read_results(arguments.results / "runs")
    asked = {name: getattr(arguments, name) for name in ("method", "source", "target", "profile")}
    asked = {name: value for name, value in asked.items() if value is not None}
    results = [r for r in results if all(getattr(r.config, name) == value for name, value in asked.items())]
    for result in results:
        changed = " ".join(f"{name}={json.dumps(value)}" for name, value in changed_settings(result.config).items())
        mark = " (not a preset of this version)" if is_stale(result) and not changed else ""
        print(f"{result.config.name}: {f'{changed}: ' if changed else ''}{_metrics(result.metrics)}{mark}")
    if not results and asked:
        print(f"no such results in {arguments.results / 'runs'}; show without a filter lists what is there")
    elif not results and not damaged:
        print(f"no results in {arguments.results / 'runs'}; make one with: python -m igan_lib run mnist5k digits")
    return _print_damaged(damaged, missed=damaged)


def _table(arguments: argparse.Namespace) -> int:
    from igan_lib.reproduction.opened import OpenStudy
    from igan_lib.reproduction.results import read_results
    from igan_lib.reproduction.tables import summary

    if arguments.study is not None:
        if arguments.metric is not None:
            raise ConfigError(f"Expected --metric without a table's name, found {arguments.study}: leave one out.")
        sweep = _sweep(arguments, studies=(arguments.study,))
        opened = OpenStudy(sweep.chosen()[0], sweep)
        try:
            print(opened.markdown(), flush=True)
        finally:  # also where the reader of the output has gone
            opened.write()
        print(f"written: {sweep.tables / arguments.study}.*", file=sys.stderr)
        return _print_damaged(opened.damaged, missed=opened.unread)
    if arguments.pairs is not None:
        raise ConfigError("Expected a table's name with --pairs, found none: name it, as in: table table4 --pairs ...")
    results, damaged = read_results(arguments.results / "runs")
    metric = arguments.metric or "target_accuracy"
    print(summary(results, arguments.profile, metric).to_markdown(index=False, disable_numparse=True))
    return _print_damaged(damaged, missed=damaged)


def _report(arguments: argparse.Namespace) -> int:
    from igan_lib.reproduction.report import write_report

    asked = {"studies": arguments.studies} if arguments.studies else {}
    sweep = _sweep(arguments, seeds=arguments.seeds, figures=arguments.figures, **asked)
    opened = write_report(sweep)
    print(sweep.report)
    return _print_damaged(opened[0].damaged, missed=[name for study in opened for name in study.unread])


def _sweep(arguments: argparse.Namespace, **more: Any) -> Any:
    """The sweep that is asked for."""
    from igan_lib.reproduction.workflow import make_sweep

    given = {name: getattr(arguments, name) for name in ("profile", "pairs", "backbone", "regime", "results")}
    return make_sweep(given | more)


def _print_damaged(damaged: list[str], missed: list[str]) -> int:
    """Print which files can't be read; 1 if an asked one is among them, since Snakemake removes a failure's output."""
    for sentence in damaged:
        print(f"error: {sentence}", file=sys.stderr)
    return 1 if missed else 0


def _data(arguments: argparse.Namespace) -> None:
    from igan_lib.data.data_root import domain_status

    # A part of SVHN that nobody can fetch is shown where it lies.
    for status in (found for found in domain_status() if found.present or found.name != "svhn7k"):
        print(f"{status.name:10} {'present' if status.present else 'missing'}  {status.where}")
        if status.remedy:
            print(f"{'':10} {status.remedy}")
    print("Your own: folder:PATH (PATH/train/<class>/*.png, PATH/test/<class>/*.png) or npz:PATH (x_train, ...).")


def _notebook(arguments: argparse.Namespace) -> None:
    from igan_lib.experiment.notebooks import execute, parse_parameters

    values = parse_parameters(arguments.parameters, arguments.notebook)
    _end_tidily()
    print(execute(arguments.notebook, arguments.output, values, progress=sys.stderr.isatty()))


def _end_tidily() -> None:
    """Let SIGTERM end this process as an exception does, so that nothing half-written stays behind."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _quickstart(arguments: argparse.Namespace) -> None:
    from igan_lib.experiment.notebooks import execute, parse_parameters

    if not IS_CHECKOUT:
        raise ConfigError(
            "Expected the project's folder with its notebooks, found the installed package, which has none: clone the "
            "project and work there, or call igan run."
        )
    notebook = ROOT / "notebooks" / "00_quickstart.ipynb"
    parameters = parse_parameters(arguments.parameters, notebook)
    # The notebook's own defaults, and read as it reads them: from its folder.
    usual = {"results": "../results/quickstart", "figures": "../results/quickstart/figures"}
    results, figures = ((notebook.parent / parameters.get(name, usual[name])).resolve() for name in usual)
    print("Training twice on embedded digits, about ten minutes on two cores; two cells take most of it", flush=True)
    _end_tidily()
    output = execute(notebook, results / notebook.name, parameters, progress=sys.stderr.isatty())
    print(f"\n{(results / 'quickstart.md').read_text(encoding='utf-8')}")
    print(f"executed notebook: {os.path.relpath(output)}")
    for figure in sorted(figures.glob("quickstart_*.png")):
        print(f"figure:            {os.path.relpath(figure)}")
