"""Work of a batch made for tests: appends to a log and writes a small file; misbehaves by the title's name."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from dubkit.errors import MediaError, StorageError


def work(where, task, listener):
    folder = Path(where[task.title]).parent
    with (folder / "log.txt").open("a") as log:
        log.write(f"{task.title}/{task.language}\n")
    tries = (folder / "log.txt").read_text().split("\n").count(f"{task.title}/{task.language}")
    if "corrupt" in task.title:
        raise MediaError("this is not a film")
    if "dies" in task.title and tries == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if "full" in task.title and tries < 3:
        raise StorageError("the disk is full")
    (folder / f"{task.title}.{task.language or 'source'}.done").write_text("done")
