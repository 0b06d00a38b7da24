"""The command line: `python -m igan_lib run | show | measure | table | report | readme | data | notebook | quickstart`.

Exit codes: 0 done, 1 a run or a notebook failed, 2 wrong usage or wrong input.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from igan_lib.errors import ConfigError, IganError, NotebookError, TrainingError
from igan_lib.files import ROOT


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, run the command and return the exit code; errors are one sentence on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments) or 0
    except IganError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, (TrainingError, NotebookError)) else 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m igan_lib", description="IGAN: domain adaptive hashing")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="train and evaluate one configuration", allow_abbrev=False)
    run.add_argument("source", help="digits, mnist5k, mnist, usps, svhn, amazon, webcam, dslr, folder:PATH or npz:PATH")
    run.add_argument("target", help="another one")
    run.add_argument(
        "--method", default="igan", help="igan (default), igan+, source-only, noda, dah, suh, itq, ba or uh-bdnn"
    )
    run.add_argument("--profile", default="cpu", help="smoke, quick, cpu (default) or paper")
    run.add_argument("--seed", type=int, nargs="+", default=[0], metavar="N", help="one or more seeds (default 0)")
    run.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="replace values, as in: --set alpha=0.2")
    run.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    run.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: torch's choice)")
    run.add_argument("--download", action="store_true", help="let torchvision download what is missing")
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    _add_results(run)
    run.set_defaults(command=_run)

    show = commands.add_parser("show", help="list the results that are there")
    _add_results(show)
    show.set_defaults(command=_show)

    measure = commands.add_parser("measure", help="add to older results what is measured today, from their checkpoints")
    _add_results(measure)
    measure.set_defaults(command=_measure)

    table = commands.add_parser("table", help="mean and interval over seeds, beside the paper, as Markdown")
    table.add_argument(
        "study", nargs="?", help="one of the tables, such as table4 (default: all presets that were run)"
    )
    table.add_argument("--profile", default="cpu", help="smoke, quick, cpu (default) or paper; never mixed")
    table.add_argument("--pairs", help="other pairs than the table's, as in mnist5k:digits,usps:digits")
    _add_backbone(table)
    table.add_argument("--metric", default="target_accuracy", help="a key of the results' metrics")
    _add_results(table)
    table.set_defaults(command=_table)

    report = commands.add_parser("report", help="one HTML file of tables, claims, figures and what is missing")
    report.add_argument("--studies", help="names separated by commas (default: all tables)")
    report.add_argument("--profile", default="cpu", help="smoke, quick, cpu (default) or paper; never mixed")
    report.add_argument("--seeds", type=int, default=5, help="how many are wanted of each run (default 5)")
    report.add_argument("--pairs", help="other pairs than the tables', as in mnist5k:digits,usps:digits")
    _add_backbone(report)
    report.add_argument("--figures", type=Path, default=ROOT / "figures", help="folder (default: the project's)")
    _add_results(report)
    report.set_defaults(command=_report)

    readme = commands.add_parser("readme", help="fill the tables and times in README and notebooks from the results")
    _add_results(readme)
    readme.set_defaults(command=_readme)

    data = commands.add_parser("data", help="what data are there, what is missing, how to get it")
    data.set_defaults(command=_data)

    notebook = commands.add_parser("notebook", help="execute a notebook headless, with checked parameters")
    notebook.add_argument("notebook", type=Path)
    notebook.add_argument("output", type=Path, help="the executed copy")
    notebook.add_argument("-p", dest="parameters", nargs="+", default=[], metavar="NAME=VALUE")
    notebook.set_defaults(command=_notebook)

    quickstart = commands.add_parser("quickstart", help="run notebook 00 on embedded data and print what came out")
    quickstart.add_argument("-p", dest="parameters", nargs="+", default=[], metavar="NAME=VALUE")
    quickstart.set_defaults(command=_quickstart)
    return parser


def _add_backbone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backbone", default="efficientnet_lite0", help="of Office-31's tables (efficientnet_lite0)")
    parser.add_argument("--regime", default="frozen", help="of Office-31's tables: frozen (default) or finetuned")


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder (default: the project's)")


def _run(arguments: argparse.Namespace) -> int:
    # torch is imported where it is needed: help and usage errors come at once.
    import torch

    from igan_lib.experiment.run import run

    if arguments.threads is not None:
        if arguments.threads < 1:
            raise ConfigError(f"Expected at least 1 thread, found {arguments.threads}: give a positive number.")
        torch.set_num_threads(arguments.threads)
    for config in _configs(arguments):
        result = run(
            config,
            device=arguments.device,
            results=arguments.results,
            download=arguments.download,
            progress=not arguments.quiet,
        )
        print(f"{config.name}: {_metrics(result.metrics)}", flush=True)
    return 0


def _configs(arguments: argparse.Namespace) -> list[Any]:
    """The configurations that the arguments of `run` ask for, one a seed."""
    from igan_lib.experiment.run import preset

    domains, named = (arguments.source, arguments.target), {"profile": arguments.profile, "method": arguments.method}
    overrides = _overrides(arguments.set)
    return [preset(*domains, seed=seed, **named, **overrides) for seed in arguments.seed]


def _overrides(assignments: list[str]) -> dict[str, Any]:
    """KEY=VALUE strings as a dictionary; values are JSON where they parse as JSON, strings otherwise."""
    named = {"source": "first argument", "target": "second argument"}
    named |= {name: f"option --{name}" for name in ("method", "profile", "seed")}
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"Expected KEY=VALUE after --set, found {assignment!r}: write it as in alpha=0.2.")
        if key in named:
            raise ConfigError(f"Expected another key after --set, found {key!r}: it is the {named[key]}.")
        try:
            values[key] = json.loads(text)
        except json.JSONDecodeError:
            values[key] = text
    return values


def _metrics(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f} %" for name, value in metrics.items())


def _show(arguments: argparse.Namespace) -> int:
    from igan_lib.reproduction.tables import is_stale, read_results

    results, damaged = read_results(arguments.results / "runs")
    for result in results:
        mark = " (not a preset of this version)" if is_stale(result) else ""
        print(f"{result.config.name}: {_metrics(result.metrics)}{mark}")
    if not results and not damaged:
        print(f"no results in {arguments.results / 'runs'}; make one with: python -m igan_lib run mnist5k digits")
    return _tell_damaged(damaged, missed=damaged)


def _measure(arguments: argparse.Namespace) -> int:
    from igan_lib.reproduction.remeasure import measure_again

    failed = False
    for path in sorted((arguments.results / "runs").glob("*.json")):
        try:
            added = measure_again(path, arguments.results)
            print(f"{path.stem}: {', '.join(added) or 'nothing to add'}", flush=True)
        except IganError as error:
            failed = True
            print(f"error: {error}", file=sys.stderr)
    return 1 if failed else 0


def _table(arguments: argparse.Namespace) -> int:
    from igan_lib.reproduction import study_tables
    from igan_lib.reproduction.tables import read_results, summary, summary_lines
    from igan_lib.reproduction.workflow import make_sweep

    results, damaged = read_results(arguments.results / "runs")
    if arguments.study is None:
        if arguments.pairs is not None:
            raise ConfigError(
                "Expected a table's name with --pairs, found none: name it, as in: table table4 --pairs ..."
            )
        print(summary_lines(summary(results, arguments.profile, arguments.metric)))
    else:
        keys = {name: getattr(arguments, name) for name in ("profile", "pairs", "backbone", "regime", "results")}
        sweep = make_sweep(keys | {"studies": arguments.study})
        (study,) = sweep.chosen()
        table = study_tables.write_tables(study, results, sweep.profile, sweep.tables)
        print(study_tables.to_markdown(study_tables.wide(table)))
        unread = study_tables.unread_runs([study], arguments.results / "runs", results, sweep.profile)
    return _tell_damaged(damaged, missed=damaged if arguments.study is None else unread)


def _report(arguments: argparse.Namespace) -> int:
    from igan_lib.reproduction.report import write_report
    from igan_lib.reproduction.study_tables import unread_runs
    from igan_lib.reproduction.tables import read_results
    from igan_lib.reproduction.workflow import make_sweep

    keys = {name: getattr(arguments, name) for name in ("profile", "seeds", "pairs", "backbone", "regime", "results")}
    sweep = make_sweep(keys | ({"studies": arguments.studies} if arguments.studies else {}))
    results, damaged = read_results(sweep.results / "runs")
    write_report(sweep, arguments.figures, results, damaged)
    print(sweep.report)
    return _tell_damaged(damaged, missed=unread_runs(sweep.chosen(), sweep.results / "runs", results, sweep.profile))


def _tell_damaged(damaged: list[str], missed: list[str]) -> int:
    """Say which files can't be read; the exit status: 1 where what was asked misses one of them.

    Of others the workflow must not hear: it removes what a failed command has written.
    """
    for sentence in damaged:
        print(f"error: {sentence}", file=sys.stderr)
    return 1 if missed else 0


def _readme(arguments: argparse.Namespace) -> int:
    from igan_lib.reproduction.readme import fill
    from igan_lib.reproduction.tables import read_results

    results, damaged = read_results(arguments.results / "runs")
    if _tell_damaged(damaged, missed=damaged):
        return 1
    notebooks = (folder / "notebooks" for folder in (ROOT, arguments.results))
    texts = [ROOT / "README.md", *(path for folder in notebooks for path in sorted(folder.glob("*.ipynb")))]
    changed = [path for path in texts if fill(path, results, arguments.results)]
    for path in changed:
        print(f"filled {path}")
    if not changed:
        print("everything was up to date")
    return 0


def _data(arguments: argparse.Namespace) -> int:
    from igan_lib.data.domains import domain_status

    for status in domain_status():
        print(f"{status.name:10} {'present' if status.present else 'missing'}  {status.where}")
        if status.remedy:
            print(f"{'':10} {status.remedy}")
    print("Your own: folder:PATH (PATH/train/<class>/*.png, PATH/test/<class>/*.png) or npz:PATH (x_train, ...).")
    return 0


def _notebook(arguments: argparse.Namespace) -> int:
    from igan_lib.experiment.notebooks import execute
    from igan_lib.experiment.parameters import parse_parameters

    parameters = parse_parameters(arguments.parameters, arguments.notebook)
    print(execute(arguments.notebook, arguments.output, parameters))
    return 0


def _quickstart(arguments: argparse.Namespace) -> int:
    from igan_lib.experiment.notebooks import execute
    from igan_lib.experiment.parameters import parse_parameters

    notebook = ROOT / "notebooks" / "00_quickstart.ipynb"
    parameters = parse_parameters(arguments.parameters, notebook)
    # The notebook's own defaults, and read as it reads them: from its folder.
    usual = {"results": "../results/quickstart", "figures": "../results/quickstart/figures"}
    results, figures = ((notebook.parent / parameters.get(name, usual[name])).resolve() for name in usual)
    output = results / notebook.name
    print("Training on embedded digits, a minute or two on two cores", flush=True)
    execute(notebook, output, parameters)
    print(f"\n{(results / 'quickstart.md').read_text(encoding='utf-8')}")
    print(f"executed notebook: {os.path.relpath(output)}")
    for figure in sorted(figures.glob("quickstart_*.png")):
        print(f"figure:            {os.path.relpath(figure)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
