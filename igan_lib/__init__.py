"""The IGAN of He et al. (IJCAI 2019): losses, networks, training, retrieval, and every table of the paper made anew.

A first session, on digits that come with the packages, about two minutes on two cores:

    from igan_lib import load, preset, run, train
    config = preset("mnist5k", "digits", profile="quick")
    print(run(config).metrics["target_accuracy"])  # per cent; the result and a checkpoint lie in results/
    method, history = train(config, load(config))  # the trained method, from that checkpoint

The names below are loaded when they are first used, so `import igan_lib` loads no torch.
"""

from importlib import import_module
from typing import Any

_HOMES = {  # MODULE:NAME, or a module that is itself what the name means
    "load_pair": "data.domains:load_pair",
    "load_domain": "data.domains:load_domain",
    "preset": "experiment.presets:preset",
    "load": "experiment.run:load",
    "run": "experiment.run:run",
    "train": "experiment.run:train",
    "IGAN": "method.igan:IGAN",
    "losses": "method.losses",
    "evaluate_retrieval": "retrieval.protocols:evaluate_retrieval",
    "HashIndex": "retrieval.index:HashIndex",
    "load_trained": "exercises.networks:load_trained",
    "open_study": "reproduction.opened:open_study",
    "frame": "reproduction.results:frame",
    "compare": "reproduction.results:compare",
    "Estimate": "reproduction.estimate:Estimate",
    "plots": "plots",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("igan")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, _, attribute = _HOMES[name].partition(":")
    module = import_module(f"{__name__}.{home}")
    globals()[name] = getattr(module, attribute) if attribute else module
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
