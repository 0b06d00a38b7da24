"""One run: a frozen configuration in, one JSON file with its provenance out."""

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from igan_lib.config import IGANConfig
from igan_lib.domains import DomainPair, load_pair
from igan_lib.errors import ConfigError
from igan_lib.evaluation import accuracy, recalibrated
from igan_lib.files import write_text
from igan_lib.igan import IGAN
from igan_lib.provenance import provenance
from igan_lib.training import Callback, HistoryRow, Schedule, fit, pick_device

RESULTS = Path("results")
MethodName = Literal["igan", "igan+", "source-only"]
ProfileName = Literal["smoke", "quick", "cpu", "paper"]

# What a method is, as settings of IGANConfig. igan+ holds what the paper does not have, and the stricter threshold that
# it was tried with (results/selection.csv).
METHODS: dict[str, dict[str, Any]] = {
    "igan": {},
    "igan+": {"augment": True, "weight_average": 0.99, "threshold": 0.98},
    "source-only": {"losses": ("c",), "epsilon": 0.0},
}

# How much of it is run. `quick` and `cpu` are this project's; the paper prints neither steps nor epochs.
PROFILES: dict[str, dict[str, Any]] = {
    # seconds, to see that everything runs; the numbers mean nothing
    "smoke": {
        "pretrain_steps": 6,
        "steps": 8,
        "batch_size": 20,
        "train_limit": 200,
        "log_every": 2,
        "checkpoint_every": 4,
        "generator_width": 2,
        "discriminator_width": 2,
    },
    # embedded data, about two minutes on two cores
    "quick": {"pretrain_steps": 200, "steps": 700},
    # full training sets, minutes a run on two cores
    "cpu": {"pretrain_steps": 500, "steps": 1500},
    # a longer schedule and wider networks, for a GPU
    "paper": {"pretrain_steps": 2000, "steps": 10_000, "generator_width": 64, "discriminator_width": 64},
}


# Fields that came after the first results: at its default such a field is left out of the hash, so that a new
# possibility does not turn every older result stale.
LATER_FIELDS: frozenset[str] = frozenset()


class ExperimentConfig(IGANConfig, Schedule):
    """Everything that a run's numbers depend on; its hash names the result file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: MethodName = "igan"
    source: str
    target: str
    profile: ProfileName = "cpu"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    size: Literal[28, 32] = 28  # pixels; 28 is MNIST's own size, 3.2 speaks of 32
    channels: Literal[1, 3] = 1  # grey: MNIST and USPS have no colour
    train_limit: Annotated[int, Field(ge=10)] | None = None  # images a split; None: all
    reestimate_batch_norm: bool = True  # before each evaluation, on unlabelled images of that domain

    @model_validator(mode="after")
    def _two_domains(self) -> "ExperimentConfig":
        if self.source == self.target:
            raise ValueError(f"source and target must be two domains, found {self.source!r} twice")
        return self

    @property
    def hash8(self) -> str:
        """The first eight hex digits of the SHA-256 of the configuration as sorted JSON (see `LATER_FIELDS`)."""
        unused = {name for name in LATER_FIELDS if getattr(self, name) == type(self).model_fields[name].default}
        canonical = json.dumps(self.model_dump(mode="json", exclude=unused), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """`<method>-<source>-<target>-<profile>-s<seed>-<hash8>`, safe as a file name.

        Of a long path the last 80 bytes are kept, since a file's name ends at 255; the hash tells such runs apart.
        """
        safe = (re.sub(r"[^\w.+]+", "_", domain).strip("_") for domain in (self.source, self.target))
        source, target = (name.encode()[-80:].decode(errors="ignore") for name in safe)
        return f"{self.method}-{source}-{target}-{self.profile}-s{self.seed}-{self.hash8}"


def preset(
    source: str, target: str, *, seed: int = 0, profile: str = "cpu", method: str = "igan", **overrides: Any
) -> ExperimentConfig:
    """The configuration of a named profile and method; `overrides` replace single values.

    Pairs with SVHN in them take what 3.2 prints for S -> M: the four-convolution encoder, 32 pixels, batches of 200.

    Raises:
        ConfigError: an unknown profile, method or key, or a value of the wrong type or range.
    """
    for kind, name, known in (("profile", profile, PROFILES), ("method", method, METHODS)):
        if name not in known:
            raise ConfigError(f"Expected a {kind} of {', '.join(known)}, found {name!r}: choose one of these.")
    values = PROFILES[profile] | METHODS[method]
    # The data set's own name or that of a user's file, but not a folder on the way to it.
    if any(Path(domain.rpartition(":")[2]).name.lower().startswith("svhn") for domain in (source, target)):
        values = {"encoder": "conv4", "size": 32, "batch_size": 200} | values
    values |= {"source": source, "target": target, "seed": seed, "profile": profile, "method": method} | overrides
    try:
        return ExperimentConfig(**values)
    except ValidationError as error:
        raise ConfigError(_one_sentence(error)) from error


def _one_sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:  # two values that do not go together
        return (
            f"Expected a consistent configuration, found that {first['msg'].removeprefix('Value error, ')}: change one."
        )
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return (
            f"Expected one of the keys {', '.join(ExperimentConfig.model_fields)}, found {where!r}: correct the name."
        )
    return f"Expected a valid {where}, found {first['input']!r} ({first['msg']}): correct this value."


class RunResult(BaseModel):
    """What a run leaves behind: `results/runs/<name>.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: ExperimentConfig
    hash: str
    metrics: dict[str, float]  # per cent; what was not measured is absent
    history: list[HistoryRow]
    provenance: dict[str, Any]


def result_path(config: ExperimentConfig, results: Path = RESULTS) -> Path:
    """Where the result of `config` lies or will lie."""
    return results / "runs" / f"{config.name}.json"


def read_result(path: Path) -> RunResult:
    """Read one result file.

    Raises:
        ConfigError: the file is cut short, or it is not a result of this version.
    """
    try:
        return RunResult.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Expected a whole result in {path}, found {type(error).__name__} ({str(error).splitlines()[0]}): "
            "delete the file and run it again."
        ) from error


def build(config: ExperimentConfig, pair: DomainPair) -> IGAN:
    """The untrained method of `config` for the images of `pair`; weights depend on the seed alone."""
    torch.manual_seed(config.seed)
    settings = {name: getattr(config, name) for name in IGANConfig.model_fields}
    channels, size, _ = pair.shape
    return IGAN(IGANConfig(**settings), channels, size, pair.n_classes)


def load(config: ExperimentConfig, *, download: bool = False) -> DomainPair:
    """The two domains of `config`, at its size and number of channels."""
    return load_pair(
        config.source,
        config.target,
        size=config.size,
        channels=config.channels,
        download=download,
        limit=config.train_limit,
    )


def train(
    config: ExperimentConfig,
    pair: DomainPair,
    *,
    device: str = "auto",
    results: Path = RESULTS,
    on_log: Callback | None = None,
    progress: bool = True,
) -> tuple[IGAN, list[HistoryRow]]:
    """Train `config` on `pair`, or go on where a killed run stopped, or load what a finished one left.

    Returns:
        The trained method and its history. Checkpoints lie in `results/checkpoints/`, which git ignores.
    """
    method = build(config, pair)
    history = fit(
        method,
        pair.for_training(),
        config,
        seed=config.seed,
        device=pick_device(device),
        checkpoint=results / "checkpoints" / f"{config.name}.pt",
        fingerprint=config.name,
        on_log=on_log,
        progress=progress,
    )
    return method, history


def evaluate(method: IGAN, pair: DomainPair, *, reestimate_batch_norm: bool = True) -> dict[str, float]:
    """Accuracies in per cent on the test images: of the last step on both domains, and of the source-only network.

    Target labels are used here, to count, and nowhere else.
    """

    def net_for(net, domain):
        return recalibrated(net, domain.train.images) if reestimate_batch_norm else net.eval()

    return {
        "target_accuracy": accuracy(net_for(method.inference_net, pair.target), pair.target.test),
        "source_accuracy": accuracy(net_for(method.inference_net, pair.source), pair.source.test),
        "source_only_accuracy": accuracy(net_for(method.source_only, pair.target), pair.target.test),
    }


def run(
    config: ExperimentConfig,
    *,
    device: str = "auto",
    results: Path = RESULTS,
    download: bool = False,
    progress: bool = True,
    on_log: Callback | None = None,
) -> RunResult:
    """Run `config` unless its result is already there, and return the result.

    Two processes that ask for the same run do not both run it: the second waits for the first and reads its result. A
    killed run goes on from its last checkpoint.

    Raises:
        ConfigError, DataError, TrainingError: each with one sentence that says what to do.
    """
    path = result_path(config, results)
    lock = results / "checkpoints" / f"{config.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    # The operating system frees the lock of a killed process.
    with FileLock(lock):
        if path.exists():
            result = read_result(path)
            if result.config != config:
                raise ConfigError(
                    f"Expected the result of {config.name} in {path}, found that of {result.config.name}: "
                    "delete the file and run it again."
                )
            return result
        started = time.perf_counter()
        pair = load(config, download=download)
        method, history = train(config, pair, device=device, results=results, on_log=on_log, progress=progress)
        metrics = evaluate(method, pair, reestimate_batch_norm=config.reestimate_batch_norm)
        result = RunResult(
            config=config,
            hash=config.hash8,
            metrics=metrics,
            history=history,
            provenance=provenance(
                device=pick_device(device),
                seconds=time.perf_counter() - started,
                data={domain.name: domain.checksum() for domain in (pair.source, pair.target)},
            ),
        )
        write_text(path, result.model_dump_json(indent=1) + "\n")
        # What a process that was killed while it wrote a checkpoint has left; nobody else writes it under this lock.
        for left in lock.parent.glob(f".{config.name}.pt.*.partial"):
            left.unlink()
        return result
