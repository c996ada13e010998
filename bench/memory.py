"""Peak memory of ``dubkit dub`` over films of different length: it must not grow with the film.

    python bench/memory.py --minutes 1 10 --height 1080

Makes the films by repeating the demo film (so cuts, faces and voices come again and again), dubs each in a process of its
own, and prints the peak resident memory of every stage and of the run. Model weights are in every row alike.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from dubkit.demo.make import make_demo
from dubkit.media.ffmpeg import ffmpeg_binary
from dubkit.media.probe import probe


def repeat(source: Path, target: Path, seconds: float, *encode: str) -> Path:
    """``source`` again and again until it lasts ``seconds``."""
    command = [
        ffmpeg_binary(),
        "-nostdin",
        "-v",
        "error",
        "-y",
        "-stream_loop",
        "-1",
        "-i",
        source,
        "-t",
        str(seconds),
        *encode,
        target,
    ]
    subprocess.run([str(part) for part in command], check=True)
    return target


def resident(pid: int) -> int:
    """Resident bytes of a process and its children (Linux)."""
    total = 0
    try:
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(resident(int(child)) for child in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def measure(project: Path) -> tuple[dict[str, int], float]:
    """Peak resident bytes by stage, and the seconds of the whole run."""
    command = [sys.executable, "-m", "dubkit", "dub", str(project), "--progress", "json"]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    stage, peaks = "start", {}

    def watch() -> None:
        while process.poll() is None:
            peaks[stage] = max(peaks.get(stage, 0), resident(process.pid))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    for line in process.stdout:
        event = json.loads(line)
        if event["kind"] == "start":
            stage = event["stage"]
    if process.wait():
        raise SystemExit("the run failed; see above")
    watcher.join()
    return peaks, time.monotonic() - began


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    arguments.add_argument("--height", type=int, default=1080)
    given = arguments.parse_args()
    rows: dict[float, tuple[dict[str, int], float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        demo = make_demo(Path(folder) / "demo")
        if probe(demo.film).video is None:
            raise SystemExit("the demo film has no picture")
        for minutes in given.minutes:
            here = Path(folder) / f"{minutes:g}"
            here.mkdir()
            scale = ("-vf", f"scale=-2:{given.height}", "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac")
            repeat(demo.film, here / "film.mp4", 60 * minutes, *scale)
            repeat(demo.dialogue, here / "dub.flac", 60 * minutes)
            project = here / "film.dub.toml"
            project.write_text(
                'schema = "dubkit.project/1"\n[source]\nfilm = "film.mp4"\n[target.es]\ndialogue = "dub.flac"\n'
                '[settings.render]\nspeed = "veryfast"\n'
            )
            rows[minutes] = measure(project)
    stages = list(dict.fromkeys(stage for peaks, _ in rows.values() for stage in peaks))
    print(f"{'peak MB':<12}" + "".join(f"{minutes:>9g} min" for minutes in rows) + "     ratio last/first")
    for stage in [*stages, "run"]:
        values = [max(p.values()) if stage == "run" else p.get(stage, 0) for p, _ in rows.values()]
        ratio = values[-1] / values[0] if values[0] else float("nan")
        print(f"{stage:<12}" + "".join(f"{value / 1e6:>13.0f}" for value in values) + f"{ratio:>12.2f}")
    print(f"{'seconds':<12}" + "".join(f"{seconds:>13.0f}" for _, seconds in rows.values()))


if __name__ == "__main__":
    main()
