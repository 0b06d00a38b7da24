"""Extraction of Office-31's features, each way against the one that is used: `python benchmarks/features.py --help`.

Images go from their file to the features of EfficientNet-Lite2, as `data.features.extract` does it; contiguous
memory, bfloat16 and a larger batch take its place in turn (A B C A B C ...). Needs Office-31 under IGAN_DATA.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from igan_lib.data.backbones import Transform, find_backbone
from igan_lib.data.data_root import resolve_root
from igan_lib.data.features import BATCH, read_crops
from igan_lib.data.office31 import COUNTS, OFFICE_DOMAINS, list_office31
from igan_lib.errors import DataError
from igan_lib.files import write_text

ROOT = Path(__file__).resolve().parent.parent
USED = "as it is: channels-last, float32"
WAYS = {
    USED: (torch.channels_last, torch.float32, BATCH),
    "contiguous": (torch.contiguous_format, torch.float32, BATCH),
    "bf16 autocast": (torch.channels_last, torch.bfloat16, BATCH),
    "batches of 64": (torch.channels_last, torch.float32, 64),
}


@torch.inference_mode()
def features(network: nn.Module, transform: Transform, paths: list[Path], way: str) -> Tensor:
    memory, dtype, batch = WAYS[way]
    network = network.eval().to(memory_format=memory)
    parts = []
    for start in range(0, len(paths), batch):
        images = transform.normalise(read_crops(paths[start : start + batch], transform)).to(memory_format=memory)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            parts.append(network(images).float())
    return torch.cat(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=128, help="of webcam (default 128)")
    parser.add_argument("--rounds", type=int, default=4, help="measurements of each way, after one to warm up (4)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "benchmarks_features.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    backbone = find_backbone("efficientnet_lite2")
    try:
        paths = list(list_office31("webcam", resolve_root(None)).paths[: arguments.images])
        network = backbone.load(False)
    except DataError as error:
        print(f"extraction of features: not measured. {error}")
        return

    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    found: dict[str, Tensor] = {}
    for turn in range(arguments.rounds + 1):
        for way in WAYS:
            start = time.perf_counter()
            found[way] = features(network, backbone.transform, paths, way)
            if turn:
                seconds[way].append(time.perf_counter() - start)

    length = found[USED].norm(dim=1)
    lines = {
        way: {
            "of_the_time": round(statistics.median(a / b for a, b in zip(spent, seconds[USED], strict=True)), 3),
            "off_percent": round(float((100 * (found[way] - found[USED]).norm(dim=1) / length).median()), 3),
        }
        for way, spent in seconds.items()
    }
    rate = len(paths) / statistics.median(seconds[USED])
    images = sum(sum(COUNTS[name]) for name in OFFICE_DOMAINS)
    result = {"threads": arguments.threads, "images_a_second": round(rate, 1), "all_images": images}
    result |= {"all_images_seconds": round(images / rate), "ways": lines}
    for way, line in lines.items():
        print(
            f"{way}: {line['of_the_time']:.2f} of the time, features off by {line['off_percent']:.2g} % of their length"
        )
    print(f"{rate:.1f} images a second, so {result['all_images_seconds']} s for all {images}")
    write_text(arguments.output, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
