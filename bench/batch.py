"""Batches, measured: what a pool of workers brings over one title after another, and how large a catalogue may be.

    python bench/batch.py throughput [--titles 4] [--times 1] [--demo FOLDER] [--listen]   # one by one, local 1 and 2, Ray 1 and 2
    python bench/batch.py large [--titles 10000] [--languages 20]              # plan and status of a simulated catalogue

``throughput`` dubs short pieces of the demo film (and of ``../shared/media/film_a.mp4`` where that is) into two languages,
again for each way of running; ``--times`` makes the catalogue so much longer, of the same films under other names. Without
``--listen`` who speaks when is given, so that the diarizer's and WhisperX's start-up does not hide the rest. "start" is the time until the first step begins, "work" from there to the end of the last. "speed" and "per
worker" compare "work" with that of the first way, so that a cluster that starts slowly is seen apart (one by one, every title
pays its own start). "idle/title" is the time of "work" in which a worker had no task, summed over the workers: with one
worker it is what scheduling costs a title. ``large`` makes a catalogue of empty files, plans it and asks for its status as the commands do.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the catalogue of short films is shared with the tests

from tests.fakes.catalogue_films import WINDOWS, make_catalogue  # noqa: E402
from tests.fakes.instant_engine import LANGUAGES, run_instantly, write_large  # noqa: E402

# ----------------------------------------------------------------------------------------------------------- throughput


class Watcher:
    """Peak resident memory of a process's descendants, worker by worker (Linux)."""

    def __init__(self, pid: int):
        self.peaks: dict[int, tuple[bool, int]] = {}
        self._pid, self._stop = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self._look(self._pid)

    def _look(self, pid: int) -> None:
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                for child in map(int, (task / "children").read_text().split()):
                    words = Path(f"/proc/{child}/cmdline").read_bytes()
                    status = Path(f"/proc/{child}/status").read_text()
                    peak = next((int(row.split()[1]) for row in status.split("\n") if row.startswith("VmHWM")), 0)
                    works = b"spawn_main" in words or words.startswith(b"ray::") or self.peaks.get(child, (False,))[0]
                    peak = max(peak, self.peaks.get(child, (works, 0))[1])  # one that has just ended has no figure
                    self.peaks[child] = (works, peak)
                    self._look(child)
        except OSError:
            pass

    def end(self) -> tuple[float, float]:
        """MiB of the largest worker, and of everything else that was started (Ray's helpers) together."""
        self._stop.set()
        self._thread.join()
        workers = [peak for works, peak in self.peaks.values() if works]
        others = [peak for works, peak in self.peaks.values() if not works]
        return max(workers, default=0) / 1024, sum(others) / 1024


def timed(command: list[str]) -> dict:
    """Runs a command: wall and CPU seconds, memory, and the source-side stages that ran, by title."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watcher = Watcher(process.pid)
    said, errors = process.communicate()
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.time() - began
    worker, others = watcher.end()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{errors[-3000:]}")
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    ran = Counter(
        (e.get("title"), e["stage"]) for e in events if e["kind"] == "end" and not e["language"] and not e.get("part")
    )
    steps = [e["time"] for e in events if e["kind"] in ("start", "end", "fresh") and "time" in e] or [
        began,
        began + wall,
    ]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "start": min(steps) - began, "work": max(steps) - min(steps), "cpu": cpu, "worker": worker,
            "others": others, "source": max(ran.values(), default=0)}  # fmt: skip


def throughput(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        demo = arguments.demo
        if demo is None:
            from dubkit.demo.make import make_demo

            demo = Path(scratch) / "demo"
            make_demo(demo)
        shared = Path(os.environ.get("DUBKIT_SHARED", ROOT.parent / "shared")) / "media"
        film_a = shared if (shared / "film_a.mp4").exists() and arguments.titles > 1 else None
        given = Path(scratch) / "given"
        path = make_catalogue(
            given, demo, film_a, arguments.titles, listen=[*WINDOWS, "film a"] if arguments.listen else ()
        )
        head, *titles = path.read_text().split("[[title]]")
        again = [title.replace('"\n', f' {n}"\n', 1) for n in range(2, arguments.times + 1) for title in titles]
        path.write_text("[[title]]".join([head, *titles, *again]))
        count = len(titles) + len(again)
        print(f"{count} titles, 2 languages each; machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{'way':<16}{'wall s':>8}{'start s':>8}{'work s':>8}{'CPU s':>8}{'speed':>7}{'per worker':>11}"
              f"{'idle/title':>11}{'worker MiB':>11}{'other MiB':>10}{'source':>7}")  # fmt: skip
        first = None
        for way in arguments.ways:
            folder = Path(shutil.copytree(given, Path(scratch) / way.replace(" ", "-")))
            found, lost, workers = one_way(way, folder / "catalogue.toml")
            spent = found["wall" if way == "one by one" else "work"]
            first = first or spent
            films = len(list((folder / "dubbed").iterdir()))
            assert films == 2 * count, f"{way}: {films} films"
            speed = first / spent
            overhead = f"{lost / count:.2f} s" if lost is not None else ""
            print(f"{way:<16}{found['wall']:>8.1f}{found['start']:>8.1f}{found['work']:>8.1f}{found['cpu']:>8.1f}"
                  f"{speed:>7.2f}{speed / workers:>11.2f}{overhead:>11}"
                  f"{found['worker']:>11.0f}{found['others']:>10.0f}{found['source']:>7}", flush=True)  # fmt: skip


def one_way(way: str, catalogue: Path) -> tuple[dict, float | None, int]:
    """Figures, seconds in which no worker had a task (summed over the workers), number of workers."""
    from dubkit.batch import status
    from dubkit.batch.catalog import load_catalogue
    from dubkit.batch.ledger import open_ledger
    from dubkit.batch.titles import prepare

    python = [sys.executable, "-m", "dubkit"]
    if way == "one by one":
        total: dict = {}
        loaded = load_catalogue(catalogue)
        for title in loaded.title:
            project = prepare(loaded, title, catalogue).file.path
            found = timed([*python, "dub", str(project), "--progress", "json"])
            for key, value in found.items():
                total[key] = (
                    max(total.get(key, 0), value)
                    if key in ("worker", "others", "source")
                    else total.get(key, 0) + value
                )
        return total, None, 1
    engine, workers = way.split()
    found = timed([*python, "batch", str(catalogue), "--engine", engine, "--workers", workers, "--progress", "json"])
    ledger = open_ledger(catalogue)
    busy = sum(unit.wall for unit in status.units(ledger))
    ledger.close()
    return found, int(workers) * found["work"] - busy, int(workers)


# ---------------------------------------------------------------------------------------------------------------- large


def large(arguments: argparse.Namespace) -> None:
    languages = [f"{LANGUAGES[i % 20]}{i // 20 or ''}" for i in range(arguments.languages)]
    with tempfile.TemporaryDirectory() as scratch:
        path = write_large(Path(scratch), arguments.titles, languages)
        print(
            f"{arguments.titles} titles, {len(languages)} languages; catalogue {path.stat().st_size / 1e6:.1f} MB; load {os.getloadavg()[0]:.1f}"
        )
        for name, words in (("plan (new)", "plan"), ("plan (again)", "plan"), ("status", "status")):
            wall, cpu, peak = command_of([words, str(path)])
            print(f"{name:<14} {wall:6.2f} s wall {cpu:6.2f} s CPU {peak:6.0f} MiB peak", flush=True)
        found = run_instantly(path, arguments.tasks)
        print(f"{found['ended']} tasks that take no time: {1e3 * found['seconds'] / found['ended']:.2f} ms wall each; "
              f"scheduler {found['mib']:.0f} MiB peak; {found['counts']['done']} dubs done")  # fmt: skip
        wall, cpu, _ = command_of(["status", str(path)])
        print(f"{'status':<14} {wall:6.2f} s wall {cpu:6.2f} s CPU", flush=True)


def command_of(words: list[str]) -> tuple[float, float, float]:
    """Wall, CPU seconds and peak MiB of ``dubkit batch …``, start of Python included."""
    code = ("import resource, sys, runpy; sys.argv = ['dubkit', 'batch', *sys.argv[1:]]\n"
            "try: runpy.run_module('dubkit', run_name='__main__')\n"
            "finally: u = resource.getrusage(resource.RUSAGE_SELF); print(u.ru_utime + u.ru_stime, u.ru_maxrss, file=sys.stderr)")  # fmt: skip
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    wall = time.monotonic() - began
    cpu, peak = done.stderr.strip().split("\n")[-1].split()
    return wall, float(cpu), int(peak) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    found = commands.add_parser("throughput")
    found.add_argument("--titles", type=int, default=4, choices=range(1, 7))
    found.add_argument("--times", type=int, default=1, help="every title so many times, under names of its own")
    found.add_argument("--demo", type=Path, help="folder of a demo that was made before")
    found.add_argument("--listen", action="store_true", help="diarize and transcribe as well")
    found.add_argument("--ways", nargs="+", default=["one by one", "local 1", "local 2", "ray 1", "ray 2"])
    found.set_defaults(run=throughput)
    found = commands.add_parser("large")
    found.add_argument("--titles", type=int, default=10_000)
    found.add_argument("--languages", type=int, default=20)
    found.add_argument("--tasks", type=int, default=5000)
    found.set_defaults(run=large)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
