"""A process that asks for features; see test_features.py.

    python tests/asking_features.py ROOT CACHE MARKS OTHERS

It notes in MARKS that it is about to ask, and computes only when OTHERS processes have asked. It prints the checksum of
the domain and how many images its own network saw.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from office_makers import OFFICE_CLASSES, OFFICE_COUNTS, tiny_backbone

from igan_lib.data import backbones, office31
from igan_lib.data.features import load_feature_domains

root, cache, marks, others = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
office31.CLASSES = OFFICE_CLASSES
office31.COUNTS.update(OFFICE_COUNTS)
backbone, network = tiny_backbone()


def wait_for_the_others(module, inputs):
    deadline = time.monotonic() + 60
    while len(list(marks.glob("asks-*"))) < others:
        if time.monotonic() > deadline:
            raise SystemExit("the other process never asked")
        time.sleep(0.05)
    time.sleep(0.3)  # so that the other one, which has asked, meets the lock and not the finished file


network.register_forward_pre_hook(wait_for_the_others)
backbones.BACKBONES["tiny"] = replace(backbone, load=lambda download: network)
(marks / f"asks-{os.getpid()}").touch()
(domain,) = load_feature_domains("amazon", backbone="tiny", root=root, cache=cache, progress=False)
print(domain.checksum(), network.seen)
