"""What the Snakefile asks: which runs a sweep has, how each is called, where all that it makes goes, what failed."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from igan_lib.errors import ConfigError
from igan_lib.experiment.presets import ExperimentConfig, PhotoBackbone, ProfileName, RegimeName, one_sentence, preset
from igan_lib.experiment.result import result_path
from igan_lib.files import safe_name
from igan_lib.reproduction.notebooks import FOLDERS, NOTEBOOKS, OFFICE_CHOICE, Notebook
from igan_lib.reproduction.pairs import pairs_text, parse_pairs
from igan_lib.reproduction.studies import S_M, S_M_PART, STUDIES, Pair, Study, office_studies, on_pairs


class Sweep(BaseModel):
    """What one call of the workflow makes: the tables of some studies under one profile, with so many seeds.

    The fields are the keys that `snakemake --config KEY=VALUE` takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    studies: tuple[str, ...] = tuple(STUDIES)  # as text: names separated by commas
    profile: ProfileName = "cpu"
    seeds: Annotated[int, Field(ge=1)] = 5  # 0 to seeds - 1; five are what a verdict asks for
    pairs: tuple[Pair, ...] | None = None  # as text: see `parse_pairs`; None: each study's own
    backbone: PhotoBackbone = "efficientnet_lite2"  # of the tables of Office-31
    regime: RegimeName = "frozen"  # of the tables of Office-31; finetuned wants a GPU
    results: Path = Path("results")  # as `figures`, of the working folder, which is the Snakefile's
    figures: Path = Path("figures")  # of the notebooks and the report; name another one with other `results`
    holes: bool = False  # make no run: tables, notebooks and report of those that are there
    gpus: Annotated[int, Field(ge=0)] = 0  # devices of this machine to spread runs over; 0: whatever run() picks
    runs_per_gpu: Annotated[int, Field(ge=1)] | None = None  # at a time; None: see `slots`

    @field_validator("studies", mode="before")
    @classmethod
    def _known_studies(cls, value: Any) -> Any:
        names = tuple(value.split(",")) if isinstance(value, str) else value
        for name in names:
            if name not in STUDIES:
                raise ConfigError(f"Expected a table among {', '.join(STUDIES)}, found {name!r}: choose one of these.")
        return names

    @field_validator("pairs", mode="before")
    @classmethod
    def _pairs_from_text(cls, value: Any) -> Any:
        # An option that a Makefile passes on without a value.
        return parse_pairs(value) if isinstance(value, str) and value else value or None

    def chosen(self) -> list[Study]:
        """The studies, on the sweep's backbone, with its pairs in the place of their own where it has some."""
        studies = [(STUDIES | office_studies(self.backbone, self.regime))[name] for name in self.studies]
        return studies if self.pairs is None else on_pairs(studies, self.pairs)

    def runs(self, study: Study) -> dict[str, ExperimentConfig]:
        """Name -> configuration of the runs that a table needs; rows that measure the same runs share them.

        Those of SVHN and of a part of it are asked for only where their files are, or where the sweep's pairs name
        them: few users have both, and without them every call would end in their failure.
        """
        from igan_lib.data.data_root import is_present  # loads torch, which a table does without

        configs = study.configs(self.profile, range(self.seeds))
        if self.pairs is None:
            absent = {pair for pair in (S_M, S_M_PART) if pair in study.pairs and not is_present(pair[0])}
            configs = [config for config in configs if (config.source, config.target) not in absent]
        return {config.name: config for config in configs}

    @property
    def tables(self) -> Path:
        """The folder of the tables: one for each profile, choice of pairs and backbone; none replaces another."""
        return self._own_folder(self.results / "tables")

    @property
    def pictures(self) -> Path:
        """The folder of the figures, in a folder of its own as the tables are."""
        return self._own_folder(self.figures)

    def _own_folder(self, folder: Path) -> Path:
        """`folder` itself for profile cpu, the studies' own pairs and the usual backbone."""
        if self.pairs is not None or self.profile != "cpu":
            folder /= self.profile
        if self.pairs is not None:
            folder /= "+".join("-".join(map(safe_name, pair)) for pair in self.pairs)
        usual = all(getattr(self, name) == Sweep.model_fields[name].default for name in OFFICE_CHOICE)
        return folder if usual else folder / f"{self.backbone}-{self.regime}"

    @property
    def report(self) -> Path:
        """The report: in the results, or beside the tables where those have a folder of their own."""
        folder = self.results if self.tables == self.results / "tables" else self.tables
        return folder / "report.html"

    def report_arguments(self) -> list[str]:
        """The arguments after `python -m igan_lib` that write the report of this sweep."""
        words = ["report", "--studies", ",".join(self.studies), "--seeds", str(self.seeds)]
        return [*words, *self._arguments(), "--figures", str(self.figures)]

    def table_arguments(self, study: Study) -> list[str]:
        """The arguments after `python -m igan_lib` that write a table of this sweep."""
        return ["table", study.name, *self._arguments()]

    def _arguments(self) -> list[str]:
        pairs = [] if self.pairs is None else ["--pairs", pairs_text(self.pairs)]
        backbone = ["--backbone", self.backbone, "--regime", self.regime]
        return ["--profile", self.profile, *pairs, *backbone, "--results", str(self.results)]

    def notebooks(self) -> list[Notebook]:
        """The notebooks of the chosen studies, but for those that would show another sweep than this one.

        One that does not take the sweep's backbone or pairs would put the usual ones in their place, and its tables and
        figures in the place of the usual ones'. No notebook takes pairs yet: their texts and the paper's claims are of
        the studies' own.
        """
        usual = Sweep()
        special = {name for name in ("pairs", *OFFICE_CHOICE) if getattr(self, name) != getattr(usual, name)}
        return [book for book in NOTEBOOKS if set(self.studies) & set(book.studies) and special <= set(book.takes)]

    def copy_of(self, notebook: Notebook) -> Path:
        """The executed copy of a notebook, in a folder of its own as the tables are."""
        return self._own_folder(self.results / "notebooks") / notebook.file.name

    def notebook_arguments(self, notebook: Notebook) -> list[str]:
        """The arguments after `python -m igan_lib` that execute a notebook: its parameters where they are unusual."""
        values = {name: getattr(self, name) for name in notebook.takes}
        # The kernel runs in the notebook's folder. A path from there names no folder of this machine.
        folders = [name for name in FOLDERS if name in values]
        values |= {name: os.path.relpath(values[name].resolve(), notebook.file.parent) for name in folders}
        usual = Sweep().model_dump() | {name: os.path.join("..", name) for name in FOLDERS}
        given = [f"{name}={value}" for name, value in values.items() if value != usual[name]]
        return ["notebook", str(notebook.file), str(self.copy_of(notebook)), *(["-p", *given] if given else [])]

    def log_of(self, output: Path) -> Path:
        """The log of what makes a file of the results, in folders as these are."""
        return self.results / "logs" / output.relative_to(self.results).with_suffix(".log")

    @property
    def slots(self) -> int:
        """How many runs share a device: six, which made the most steps a second on an H200 (`benchmarks/gpu.py`).

        A run that fine-tunes a backbone has a device to itself.
        """
        return self.runs_per_gpu or (6 if self.regime == "frozen" else 1)

    def devices(self) -> dict[str, int]:
        """Run name -> number of the device that it is sent to, from 0; empty without `gpus`.

        The runs of a row go to one device after the other, those of the next row begin one further: neither a seed,
        whose runs come together, nor a pair, whose images may be the larger ones, has a device to itself.
        """
        dealt: dict[str, int] = {}
        for study in self.chosen() if self.gpus else []:
            for index, name in enumerate(self.runs(study)):
                row, pair = divmod(index, len(study.pairs))
                dealt[name] = (row + pair) % self.gpus
        return dealt

    def outputs(self, asked: Collection[str] | None = None) -> dict[str, Path]:
        """Name -> file of the tables and notebooks among `asked` and of the runs of these tables; None: of all."""
        files: dict[str, Path] = {}
        for study in self.chosen():
            if asked is None or study.name in asked:
                files |= {name: result_path(config, self.results) for name, config in self.runs(study).items()}
                files[study.name] = self.tables / f"{study.name}.csv"
        books = [notebook for notebook in self.notebooks() if asked is None or notebook.name in asked]
        return files | {notebook.name: self.copy_of(notebook) for notebook in books}

    def unfinished(self, asked: Collection[str] | None = None) -> list[dict[str, str]]:
        """Name, cause and log of those `outputs` that were begun, so that a log is there, and left no file."""
        logs = {name: self.log_of(file) for name, file in self.outputs(asked).items() if not file.exists()}
        return [{"name": n, "cause": last_words(log), "log": str(log)} for n, log in logs.items() if log.exists()]

    def write_tables_with_holes(self, asked: Collection[str]) -> None:
        """Write the tables among `asked` that wait for a run, from the runs that are there.

        A table whose runs are all there is left to the workflow: if it is missing, it failed by itself, and a file here
        would hide that from the next call.
        """
        from igan_lib.reproduction.opened import OpenStudy  # and pandas, which no call needs that goes well

        for study in self.chosen():
            whole = all(result_path(config, self.results).exists() for config in self.runs(study).values())
            if study.name in asked and not whole:
                OpenStudy(study, self).write()


def last_words(log: Path) -> str:
    """What a log says last: its error without the word, else the last line, such as that of a traceback."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if not lines:
        return "no message: it was killed, or is still running"
    return errors[-1].removeprefix("error: ") if errors else lines[-1]


def make_sweep(values: Mapping[str, Any]) -> Sweep:
    """A `Sweep` from keys and values as a command line gives them.

    ConfigError: an unknown key, table or profile, a number out of its range, or pairs that can't be read.
    """
    try:
        return Sweep(**values)
    except ValidationError as error:
        raise ConfigError(one_sentence(error, Sweep)) from error


def run_arguments(config: ExperimentConfig) -> list[str]:
    """The arguments after `python -m igan_lib` that make exactly `config`: names, and what its preset has otherwise."""
    usual = preset(config.source, config.target, seed=config.seed, profile=config.profile, method=config.method)
    usual_values = usual.model_dump(mode="json")
    changes = {name: value for name, value in config.model_dump(mode="json").items() if value != usual_values[name]}
    words = ["run", config.source, config.target, "--method", config.method, "--profile", config.profile]
    words += ["--seed", str(config.seed), *(["--set"] if changes else [])]
    return words + [f"{name}={json.dumps(value)}" for name, value in changes.items()]


def visible_device(number: int, visible: str | None) -> str:
    """The value of CUDA_VISIBLE_DEVICES for device `number` of those that `visible`, the variable itself, leaves.

    Where fewer are left than the sweep counts on, it begins again with the first.
    """
    devices = visible.split(",") if visible else []
    return devices[number % len(devices)] if devices else str(number)
