"""A batch engine whose jobs take no time, to see what planning and scheduling alone take of a very large catalogue."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from dubkit.batch import base, status
from dubkit.batch.base import Result
from dubkit.batch.ledger import open_ledger
from dubkit.batch.run import run_catalogue
from dubkit.engines import Engine

LANGUAGES = [
    "es",
    "fr",
    "de",
    "it",
    "pt",
    "pl",
    "nl",
    "sv",
    "da",
    "fi",
    "cs",
    "hu",
    "ro",
    "tr",
    "el",
    "uk",
    "ja",
    "ko",
    "hi",
    "ar",
]


class InstantEngine:
    """One job at a time, ended when it is asked; after ``most`` of them it ends the run, as Ctrl-C would."""

    most = 0
    gpus = False

    def __init__(self, workers, address, work, listener):
        self.jobs, self.ended, self.began = [], 0, time.monotonic()

    def refuses(self, need):
        return None

    def fits(self, need):
        return not self.jobs

    def start(self, job, need):
        self.jobs.append(job)

    def poll(self, timeout):
        if self.ended >= self.most:
            raise KeyboardInterrupt
        jobs, self.jobs = self.jobs, []
        self.ended += len(jobs)
        for job in jobs:
            facts = {"seconds": 60.0, "frames": 1500, "parts": []} if job.task.step == "prepare" else {}
            yield Result(job.task, 1.0, 1.0, facts=facts)

    def stop(self):
        InstantEngine.last = self.ended, time.monotonic() - self.began
        return [job.task for job in self.jobs]


def write_large(folder: Path, titles: int, languages: list[str]) -> Path:
    """A catalogue whose films are one empty file, so that every path is looked at."""
    (folder / "film.mp4").touch()
    lines = ['schema = "dubkit.catalogue/1"']
    for language in languages:
        (folder / f"{language}.flac").touch()
    for number in range(titles):
        lines.append(f'[[title]]\ntitle = "title {number:05}"\nfilm = "film.mp4"')
        lines += [f'[title.target.{language}]\ndialogue = "{language}.flac"' for language in languages]
    path = folder / "large.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def run_instantly(path: Path, most: int) -> dict:
    """Runs ``most`` tasks of a catalogue in this process: what became of it, how long the tasks took the scheduler (wall
    seconds; planning left out), and this process's peak memory in MiB (Linux and macOS)."""
    base.ENGINES["instant"] = Engine(f"{__name__}:InstantEngine", about="for tests")
    InstantEngine.most = most
    with contextlib.suppress(KeyboardInterrupt):
        run_catalogue(path, engine="instant", check_disk=False)
    ledger = open_ledger(path)
    found = {"counts": status.counts(ledger), "left": status.titles_left(ledger)}
    ledger.close()
    return found | {"ended": InstantEngine.last[0], "seconds": InstantEngine.last[1], "mib": _peak()}


def _peak() -> float:
    import resource
    import sys

    if sys.platform == "linux":  # ru_maxrss begins with what the process had that started this one
        rows = Path("/proc/self/status").read_text().splitlines()
        return next(int(row.split()[1]) for row in rows if row.startswith("VmHWM")) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
