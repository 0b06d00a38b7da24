"""What a run may be: named methods and profiles, and the frozen configuration that they make."""

import hashlib
import json
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from igan_lib.data.office31 import OFFICE_DOMAINS
from igan_lib.errors import ConfigError
from igan_lib.files import safe_name
from igan_lib.method.config import IGANConfig
from igan_lib.training.schedule import Schedule

# The methods of Tables 1 and 2, and two of later years (`compared.adaptation`): they have no loss for hashing.
RecognitionName = Literal[
    "dann", "dan", "adda", "cdan", "mstn", "drcn", "cogan", "duplex", "cycada", "i2i", "mcc", "shot"
]
MethodName = Literal["igan", "igan+", "source-only", "noda", "dah", "suh", "itq", "ba", "uh-bdnn", RecognitionName]
PretrainedName = Literal["alexnet", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "resnet50"]
PhotoBackbone = Literal[PretrainedName, "efficientnet_lite012"]  # features side by side, which can't be fine-tuned
BackboneName = Literal["none", PhotoBackbone]
RegimeName = Literal["frozen", "finetuned"]
ProfileName = Literal["smoke", "quick", "cpu", "paper"]

# The methods of Table 3 (`baselines`). They share encoder, optimiser and schedule with IGAN, and read none of the
# weights of its losses.
BASELINES = ("noda", "dah", "suh", "itq", "ba", "uh-bdnn")
RECOGNITION: tuple[str, ...] = get_args(RecognitionName)
NO_GAME = ("dan", "mcc", "shot")  # those without a discriminator and a generator, and so without a rate for them
IMAGES_ONLY = ("cogan", "cycada")  # those that refuse features

# Raised whenever a method's numbers change, so that results of two versions never stand in one comparison.
# igan and igan+ 2: D learns at three times G's rate. uh-bdnn 2: each layer starts from the principal directions of its
# centred input. duplex 2: the best of eight trials, not of three. drcn 2: a damaged pixel gets the darkest value of its
# image, which is not -1 where contrast is normalised. cycada 2: the rates decay anew in each of its stages.
VERSIONS = dict.fromkeys(("source-only", *BASELINES, *RECOGNITION), 1)
VERSIONS |= {"igan": 2, "igan+": 2, "uh-bdnn": 2, "duplex": 2, "drcn": 2, "cycada": 2}

# What a method is, as settings of IGANConfig. igan+ holds what the paper does not have.
METHODS: dict[str, dict[str, Any]] = {
    "igan": {},
    "igan+": {"augment": True, "weight_average": 0.99},
    "source-only": {"losses": ("c",), "epsilon": 0.0},
    **{name: {} for name in (*BASELINES, *RECOGNITION)},
}

# How much of it is run. `quick` and `cpu` are this project's; the paper prints neither steps nor epochs.
PROFILES: dict[str, dict[str, Any]] = {
    # seconds, to see that everything runs; the numbers mean nothing
    "smoke": {
        **{"pretrain_steps": 6, "steps": 8, "batch_size": 20, "train_limit": 200, "log_every": 2},
        **{"checkpoint_every": 4, "generator_width": 2, "discriminator_width": 2},
    },
    # embedded data, about two minutes on two cores
    "quick": {"pretrain_steps": 200, "steps": 700},
    # full training sets, minutes a run on two cores
    "cpu": {"pretrain_steps": 500, "steps": 1500},
    # a longer schedule and wider networks, for a GPU
    "paper": {"pretrain_steps": 2000, "steps": 10_000, "generator_width": 64, "discriminator_width": 64},
}

# Pairs with SVHN or a part of it take what 3.2 prints for S -> M, and normalised contrast, which helped on
# svhn7k -> digits.
SVHN: dict[str, Any] = {"encoder": "conv4", "size": 32, "batch_size": 200, "contrast": True}

# UCI digits in MNIST's frame are blurred, since 8 pixels become 21. Otherwise one seed in five of mnist5k -> digits12
# ended below 90 % (docs/selection.md).
DIGITS12: dict[str, Any] = {"size": 32, "contrast": True}

# Office-31 enters through a pretrained network, whose features 3.2 reconstructs in place of images. Batches of 310: "10
# times bigger" than the 31 classes (2.3), and ten of each, since the classes are uneven. A profile's widths and limits
# do not apply: features cost little.
OFFICE: dict[str, Any] = {
    "encoder": "mlp",
    "backbone": "efficientnet_lite2",  # the best of those whose weights need no download; the paper's is alexnet
    "batch_size": 310,
    "balanced": True,
    "generator_width": 16,
    "discriminator_width": 16,
    "train_limit": None,
}

# Chosen on webcam <-> dslr with few labels (results/selection.csv). Among 31 classes fewer images are sure of one, so T
# is lower than for digits. On features L_a does harm at the digits' weight.
OFFICE_WEIGHTS: dict[str, Any] = {"threshold": 0.7, "adversarial": 0.01}

# igan+ on features: other additions than on images, and no generators, which make a run three times as long and add
# nothing. Chosen as the weights above.
OFFICE_PLUS: dict[str, Any] = {
    **{"losses": ("c", "s", "h"), "augment": False, "weight_average": 0.0},
    **{"feature_dropout": 0.5, "neighbour_weight": 1.0, "neighbours": 10},
}

# At most so many steps: 900 batches of 310 are a hundred epochs of Amazon, and three hundred of Webcam. The number
# comes from a first exploration, which had looked at A->W, W->A and A->D.
OFFICE_STEPS = {"pretrain_steps": 300, "steps": 600}


class ExperimentConfig(IGANConfig, Schedule):
    """Everything that a run's numbers depend on; its hash names the result file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: MethodName = "igan"
    version: Annotated[int, Field(ge=1)]  # of the method, see `VERSIONS`
    source: str
    target: str
    profile: ProfileName = "cpu"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    size: Literal[28, 32] = 28  # pixels; 28 is MNIST's own size, 3.2 speaks of 32
    channels: Literal[1, 3] = 1  # grey: MNIST and USPS have no colour
    backbone: BackboneName = "none"  # none: images as they are; else the features that this network makes of them
    regime: RegimeName = "frozen"  # finetuned: the backbone is trained too, at a tenth of the rate (`components`)
    contrast: bool = False  # each image's contrast normalised: photographs differ in light, digits on paper do not
    train_limit: Annotated[int, Field(ge=10)] | None = None  # images a split; None: all
    reestimate_batch_norm: bool = True  # before each evaluation, on unlabelled images of that domain

    @model_validator(mode="after")
    def _settings_fit_together(self) -> "ExperimentConfig":
        if self.source == self.target:
            raise ValueError(f"source and target must be two domains, found {self.source!r} twice")
        if (self.backbone != "none") != (self.encoder == "mlp"):
            raise ValueError(
                f"features of a backbone go with the encoder mlp, found {self.backbone} and {self.encoder}"
            )
        if self.regime == "finetuned" and self.backbone not in get_args(PretrainedName):
            raise ValueError(f"the regime finetuned goes with one backbone, found {self.backbone}")
        if self.feature_dropout and self.encoder != "mlp":
            raise ValueError(f"feature_dropout goes with the encoder mlp, found {self.encoder}")
        if self.neighbour_weight and (self.backbone == "none" or self.regime == "finetuned"):
            raise ValueError("neighbour_weight goes with features of a frozen backbone, found none")
        for name in ("size", "channels", "contrast"):
            if self.backbone != "none" and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"a backbone cuts images its own way and does not read {name}")
        if self.method in IMAGES_ONLY and self.backbone != "none":
            raise ValueError(f"the method {self.method} draws images and takes no features of {self.backbone}")
        if self.method in (*BASELINES, *RECOGNITION):
            # A profile may set the width of networks that a baseline has not.
            read = {"feature_dropout"} if self.method in ("noda", "dah", "suh", *RECOGNITION) else set()
            read |= {"gan_learning_rate"} if self.method not in (*BASELINES, *NO_GAME) else set()
            read |= {"encoder", "code_length", "batch_norm", "learning_rate", "generator_width", "discriminator_width"}
            fields = {name: field.default for name, field in IGANConfig.model_fields.items() if name not in read}
            if unread := [name for name, default in fields.items() if getattr(self, name) != default]:
                raise ValueError(f"the method {self.method} does not read {', '.join(unread)}")
        return self

    @property
    def network(self) -> str:
        """The backbone and its regime, as in "frozen efficientnet_lite0"; "none" without a backbone."""
        return "none" if self.backbone == "none" else f"{self.regime} {self.backbone}"

    @property
    def hash8(self) -> str:
        """The first eight hex digits of the SHA-256 of what differs from the defaults, as sorted JSON.

        So a new setting, whose default is what was done before, leaves the names of older results as they are; a
        default that changes shows in the results that were made with the old one (`result.read_result`).
        """
        canonical = json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """`<method>-<source>-<target>-<profile>-s<seed>-<hash8>`, safe as a file name."""
        source, target = safe_name(self.source), safe_name(self.target)
        return f"{self.method}-{source}-{target}-{self.profile}-s{self.seed}-{self.hash8}"


def preset(
    source: str, target: str, *, seed: int = 0, profile: str = "cpu", method: str = "igan", **overrides: Any
) -> ExperimentConfig:
    """The configuration of a named profile and method; `overrides` replace single values.

    Pairs with SVHN take `SVHN`, with digits12 `DIGITS12`, pairs of Office-31 `OFFICE`. ConfigError: an unknown profile,
    method or key, or a value of the wrong type or range.
    """
    check_name("profile", profile)
    check_name("method", method)
    values = PROFILES[profile] | METHODS[method]
    if {source, target} & {"svhn", "svhn7k"}:
        values = SVHN | values
    if "digits12" in (source, target):
        values = DIGITS12 | values
    if {source, target} & set(OFFICE_DOMAINS):
        values |= office_settings(profile, method)
        if overrides.get("regime") == "finetuned":
            # Crops as everyone in this regime has; the neighbours of L_n are those of features that stand still.
            values |= {"random_crops": True, "neighbour_weight": 0.0}
    values |= {"source": source, "target": target, "seed": seed, "profile": profile, "method": method}
    values |= {"version": VERSIONS[method]} | overrides
    try:
        return ExperimentConfig(**values)
    except ValidationError as error:
        text = one_sentence(error, ExperimentConfig)
        if method in RECOGNITION and ("does not read" in text or set(overrides) - set(ExperimentConfig.model_fields)):
            text = f"{text[:-1]}; weights of {method} alone are arguments of its class (docs/compared_methods.md)."
        raise ConfigError(text) from error


def check_name(kind: str, name: str) -> None:
    """ConfigError where there is no `kind`, "profile" or "method", of this name, such as "CDAN-M" for cdan."""
    known = PROFILES if kind == "profile" else METHODS
    if name not in known:
        close = get_close_matches(str(name).lower().replace("-", ""), known, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ConfigError(f"Expected a {kind} of {', '.join(known)}, found {name!r}: choose one of these{hint}.")


def office_settings(profile: str, method: str) -> dict[str, Any]:
    """What features of photographs have otherwise than the profile and the method have it on images."""
    chosen = OFFICE_WEIGHTS if method in ("igan", "igan+") else {}
    steps = {name: min(PROFILES[profile][name], most) for name, most in OFFICE_STEPS.items()}
    return chosen | (OFFICE_PLUS if method == "igan+" else {}) | OFFICE | steps


def changed_settings(config: ExperimentConfig) -> dict[str, Any]:
    """The settings of `config` that its preset has otherwise, by name: what `overrides` of `preset` would repeat it."""
    named = {name: getattr(config, name) for name in ("source", "target", "seed", "profile", "method")}
    written, usual = config.model_dump(mode="json"), preset(**named).model_dump(mode="json")
    return {name: value for name, value in written.items() if value != usual[name]}


def one_sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first of pydantic's complaints about the values of `model` as a sentence for a user."""
    first = error.errors()[0]
    if not first["loc"]:  # two values that do not go together
        return (
            f"Expected a consistent configuration, found that {first['msg'].removeprefix('Value error, ')}: change one."
        )
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        close = get_close_matches(where, model.model_fields, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        return f"Expected one of the keys {', '.join(model.model_fields)}, found {where!r}: correct the name{hint}."
    return f"Expected a valid {where}, found {first['input']!r} ({first['msg']}): correct this value."
