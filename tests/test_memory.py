"""Freed memory goes back to the system."""

import subprocess
import sys

import pytest

from dubkit.memory import give_back_freed

HELD = """
import sys
from dubkit.memory import give_back_freed
if sys.argv[1] == "yes":
    give_back_freed()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before = resident()
for size in (30_000_000, 1_000_000):  # glibc learns from the first that large blocks are to be kept
    blocks = [bytearray(size) for _ in range(30_000_000 // size)]
    keep = bytearray(1000)
    del blocks
print(resident() - before)
"""


def held(choice: str) -> float:
    done = subprocess.run([sys.executable, "-c", HELD, choice], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a choice of glibc")
def test_blocks_are_given_back():
    assert give_back_freed() in (True, False)
    assert held("yes") < 5


@pytest.mark.skipif(sys.platform.startswith("linux"), reason="elsewhere than on Linux")
def test_elsewhere_nothing_is_done():
    assert give_back_freed() is False
