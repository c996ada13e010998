"""Work is never lost: killed at random moments and started again, the demo's dub comes out byte-identical."""

import hashlib
import os
import random
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow
KILLS = 20


def start(project):
    command = [sys.executable, "-m", "dubkit", "dub", str(project), "--progress", "none"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def films(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.es.mp4"))}


@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test_killed_twenty_times(tmp_path):
    from dubkit.demo.make import make_demo

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    first, second = make_demo(whole), make_demo(killed)

    began = time.monotonic()
    process = start(first.project)
    assert process.wait() == 0, process.stderr.read().decode()
    duration = time.monotonic() - began

    chance = random.Random(1)
    for _ in range(KILLS):
        process = start(second.project)
        try:
            process.wait(chance.uniform(0.02, 0.35) * duration)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
    process = start(second.project)
    assert process.wait() == 0, process.stderr.read().decode()

    assert films(whole)
    assert films(killed) == films(whole)
    assert not list(killed.rglob("*.part*")), "temporary files of killed runs were left behind"
