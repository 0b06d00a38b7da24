"""Parts of gpu.py beside training: exact MAP over a million codes, and features of photographs."""

import argparse
from pathlib import Path

import numpy as np
import torch
from gpu_steps import write
from run import seconds

from igan_lib.data.backbones import find_backbone
from igan_lib.retrieval.bits import counts
from igan_lib.retrieval.protocols import evaluate_retrieval


def retrieval(device: torch.device, rehearse: bool) -> dict[str, object]:
    """Pairs a second of MAP with all its measures, on the device and by numba, and whether both are the same."""
    items, queries, few = (2000, 200, 100) if rehearse else (1_000_000, 2_000, 200)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((10, 64))
    labels = rng.integers(0, 10, items)
    codes = (centres[labels] + 2 * rng.standard_normal((items, 64))).astype(np.float32)

    def measure(n: int, where: torch.device | None) -> float:
        return evaluate_retrieval(codes[:n], labels[:n], codes, labels, device=where).map

    found: dict[str, object] = {"items": items, "queries": queries, "bits": 64, "threads": torch.get_num_threads()}
    for name, where, n in (("device", device, queries), ("numba", None, few)):
        measure(few, where)  # compiles, and fills the pools of memory
        spent = min(seconds(lambda n=n, where=where: measure(n, where), device) for _ in range(3))
        found[f"pairs a second, {name}"] = n * items / spent
    sides = codes[:few], labels[:few], codes, labels
    same = all(np.array_equal(a, b) for a, b in zip(counts(*sides, device=device), counts(*sides), strict=True))
    return found | {"counts are the same": same}


def pictures(device: torch.device, rehearse: bool) -> dict[str, object]:
    """Pictures a second through EfficientNet-Lite2 at its own size; speed does not depend on weights or pictures."""
    import timm

    backbone = find_backbone("efficientnet_lite2")
    network = timm.create_model("tf_efficientnet_lite2", pretrained=False, num_classes=0).to(device).eval()
    found: dict[str, object] = {"pixels": backbone.transform.crop}
    for batch in (2,) if rehearse else (50, 250):
        x = torch.rand(batch, 3, backbone.transform.crop, backbone.transform.crop, device=device)

        def through(x: torch.Tensor = x) -> None:
            with torch.no_grad():
                network(x)

        for _ in range(1 if rehearse else 5):
            through()
        spent = min(seconds(through, device) for _ in range(1 if rehearse else 10))
        found[f"pictures a second, batches of {batch}"] = batch / spent
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("retrieval", "pictures"))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    device = torch.device("cpu" if arguments.rehearse else "cuda")
    measure = {"retrieval": retrieval, "pictures": pictures}[arguments.part]
    write(arguments.output, arguments.part, measure(device, arguments.rehearse), arguments.rehearse)


if __name__ == "__main__":
    main()
