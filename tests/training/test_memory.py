"""Freed memory is kept where the C library allows it."""

import os
import platform
import subprocess
import sys

import pytest

from igan_lib.training.memory import keep_freed_memory

PROBE = """
import resource, sys
import torch
from igan_lib.training.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def work():
    tensors = [torch.ones(200_000) for _ in range(100)]  # 100 x 0.8 MB, freed together
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    # glibc's own threshold, but fixed: it grows as tensors are freed, and whether the heap is trimmed after that
    # depends on what happens to lie at its end.
    fixed = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
    done = subprocess.run([sys.executable, "-c", PROBE, mode], capture_output=True, text=True, check=True, env=fixed)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has mallopt")
def test_freed_memory_is_kept():
    assert faults("keep") < faults("default") / 10


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
