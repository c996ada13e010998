"""Freed memory goes back to the system."""

import subprocess
import sys

import pytest

from dubkit import memory
from dubkit.memory import give_back_freed, keeping_freed

HELD = """
import sys
from dubkit.memory import give_back_freed
if sys.argv[1] == "yes":
    give_back_freed()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before = resident()
for size in (30_000_000, 5_000_000):  # glibc learns from the first that large blocks are to be kept
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


def test_a_network_at_work_keeps_its_blocks(monkeypatch):
    """Inside, and in a program that gives back at all; a library's process is left as it is."""
    said = []
    monkeypatch.setattr(memory, "_set", lambda mapped, trimmed: said.append(mapped) or True)
    monkeypatch.setattr(memory, "_giving_back", False)
    with keeping_freed():
        pass
    assert not said
    give_back_freed()
    with pytest.raises(ZeroDivisionError), keeping_freed():
        with keeping_freed():
            said.append("at work")
        raise ZeroDivisionError
    assert said == [4 * 2**20, 32 * 2**20, "at work", 4 * 2**20]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a choice of glibc")
def test_kept_blocks_cost_no_pages():
    """A block that is freed and taken again is the same memory; without, each one is new from the system."""
    code = """
import resource, sys
from dubkit.memory import give_back_freed, keeping_freed
give_back_freed()
def faults(times=50):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        bytearray(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
anew = faults()
with keeping_freed():
    faults(2)
    kept = faults()
print(anew, kept, faults())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    anew, kept, after = map(int, done.stdout.split())
    assert kept * 10 < anew and after * 2 > anew
