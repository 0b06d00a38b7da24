"""Figure 2: the target's codes before and after adaptation, drawn and measured. Loads torch, unlike the tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Image
from torch import Tensor

from igan_lib.errors import DataError
from igan_lib.exercises.networks import ready_network
from igan_lib.experiment.presets import preset
from igan_lib.experiment.run import load, train
from igan_lib.plots.style import save_figure
from igan_lib.reproduction.tables import write_csv
from igan_lib.retrieval.clusters import neighbour_purity, silhouette
from tools.retrieval_pictures import class_key, class_maps
from tools.samples import sample_codes
from tools.training_pictures import tsne_points

Codes = Mapping[str, tuple[Tensor, Tensor]]  # title -> codes n x d, true labels n


def name_of(directions: Sequence[str]) -> str:
    """The name of the figure's files: "figure2" for the paper's two directions alone."""
    wanted = {domain for direction in directions for domain in direction.split("->")}
    return "figure2" if wanted == {"amazon", "webcam"} else "figure2_" + "_".join(sorted(wanted))


def codes_before_and_after(
    directions: Sequence[str], methods: Sequence[str], *, seed: int, device: str, results: Path | str, **settings: Any
) -> tuple[Codes, tuple[str, ...]]:
    """The target's codes of each direction's networks, and the class names; nothing where data are missing.

    The network before adaptation is that of the first method.

    Args:
        directions: such as "amazon->webcam"; settings: of `preset` (profile, backbone, regime).
    """
    codes: dict[str, tuple[Tensor, Tensor]] = {}
    names: tuple[str, ...] = ()
    try:
        for direction in directions:
            source, target = direction.split("->")
            configs = [preset(source, target, seed=seed, method=name, **settings) for name in methods]
            pair = load(configs[0])
            names, where = pair.target.class_names, {"device": device, "results": Path(results)}
            first, _ = train(configs[0], pair, progress=False, **where)
            others = [ready_network(config, pair, **where) for config in configs[1:]]
            nets = {"source only": first.source_only}
            nets |= dict(zip(methods, [first.inference_net, *others], strict=True))
            codes |= {f"{source} → {target}, {when}": sample_codes(net, pair.target) for when, net in nets.items()}
    except DataError as error:  # images, or weights of the backbone
        print(f"Nothing is drawn anew. {error}")
        return {}, ()
    return codes, names


def draw(codes: Codes, folder: Path, name: str, *, columns: int) -> Any:
    """The embedded codes, written as `name`; without codes the picture that is there, or nothing."""
    panels = {f"({letter}) {title}": (tsne_points(u), y) for letter, (title, (u, y)) in zip("abcdefgh", codes.items())}  # noqa: B905
    return _saved(class_maps(panels, columns=columns) if panels else None, folder, name)


def draw_key(codes: Codes, class_names: Sequence[str], folder: Path, name: str) -> Any:
    """The colours and markers of `draw`, written as `name`_key."""
    return _saved(class_key(class_names) if codes else None, folder, f"{name}_key")


def _saved(figure: Any, folder: Path, name: str) -> Any:
    if figure is not None:
        save_figure(figure, folder, name)
        return figure
    there = folder / f"{name}.png"
    return Image(there) if there.exists() else None


def quality(codes: Codes, file: Path, **noted: Any) -> pd.DataFrame:
    """Silhouette and ten-neighbour purity of each panel, written to `file`; without codes what is there.

    Args:
        noted: further columns of the table, such as the seed.
    """
    if not codes:
        return pd.read_csv(file).round(2) if file.exists() else pd.DataFrame()
    rows = [[title, silhouette(u, y), 100 * neighbour_purity(u.numpy(), y.numpy())] for title, (u, y) in codes.items()]
    table = pd.DataFrame(rows, columns=["panel", "silhouette", "10-neighbour purity, %"]).assign(**noted)
    write_csv(table, file)
    return table.round(2)
