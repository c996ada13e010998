"""Work of a batch made for tests: appends to a log and writes a small file; misbehaves by the title's name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from dubkit.errors import MediaError, StorageError
from dubkit.project.events import Event


def work(job, listener):
    task = job.task
    folder = Path(job.project).parent
    line = f"{task.title}/{task.language}/{task.step}" + (f"/{task.part}" if task.part else "")
    with (folder / "log.txt").open("a") as log:
        log.write(line + "\n")
    tries = (folder / "log.txt").read_text().split("\n").count(line)
    listener(Event("start", task.step, task.language or None))
    if "corrupt" in task.title:
        raise MediaError("this is not a film")
    if "bug" in task.title and task.step == "faces":
        raise ValueError("a bug")
    if "dies" in task.title and task.step == "prepare" and tries == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if "full" in task.title and task.step == "lips" and tries < 3:
        raise StorageError("the disk is full")
    if "slow" in task.title:
        for i in range(20):
            time.sleep(0.1)
            listener(Event("progress", task.step, task.language or None, i, 20))
    if task.step == "prepare":
        parts = [[0, 50], [50, 100]] if "long" in task.title else []
        return {"seconds": 4.0, "frames": 100, "warnings": [], "parts": parts}
    if task.step == "render":
        asked = {"split_seconds": job.split_seconds, "score": job.score, "keep_pieces": job.keep_pieces}
        return {"threads": os.environ.get("OMP_NUM_THREADS"), "asked": asked}
    return {}
