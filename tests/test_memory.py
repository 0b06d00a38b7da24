"""Freed memory is kept where the C library allows it."""

import platform
import subprocess
import sys

import pytest

from igan_lib.memory import keep_freed_memory

PROBE = """
import resource, sys
import torch
from igan_lib.memory import keep_freed_memory
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
    done = subprocess.run([sys.executable, "-c", PROBE, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has mallopt")
def test_freed_memory_is_kept():
    assert faults("keep") < faults("default") / 10


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
