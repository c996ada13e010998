"""Peak memory of ``dubkit dub`` over films of different length: it must not grow with the film.

    python bench/memory.py --minutes 1 10 --height 1080

The first minute is the demo film scaled up and a grey pause; longer films repeat it by stream copy. Every minute asks for
the same work, so whatever is larger in the longer film grows with its length. Each film is dubbed in a process of its own;
the table shows the largest resident memory (dubkit and the ffmpeg it starts) while each stage ran, as it is and without
the model weights. The preset is ``draft`` with x264's fastest setting: that spends the least memory which does *not* depend
on the length, so it is the hardest for the ratio. ``--given``: who speaks when comes from the demo's own RTTM and no words
are transcribed, which saves most of the time; ``bench/speech.py`` measures those two stages over 10, 20 and 40 minutes. ``--seconds``
shows less of the demo film in every minute, for a machine with little time.
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

import ffmpeg

from dubkit.demo.make import make_demo
from dubkit.media.ffmpeg import ffmpeg_binary, run_graph, url
from dubkit.media.probe import probe
from dubkit.process import run

EVERY = 0.05  # seconds between two looks at the process
LIMIT = 1.10  # largest ratio allowed, the run without weights
SETTINGS = ("render.speed=ultrafast", "speech.batch_size=1")  # batches that the shortest film fills as well
GIVEN = ('speech.diarization="film.rttm"', 'speech.transcriber="none"')


def one_minute(film: Path, dialogue: Path, minute: tuple[Path, Path], height: int, seconds: float) -> None:
    """The demo film and its dub, prolonged to exactly 60 s. No B-frames, lossless sound: copies join exactly."""
    rate = probe(film).video.rate
    if 60 * rate != int(60 * rate):
        raise SystemExit(f"a minute at {rate} frames a second is no whole number of frames")
    source = ffmpeg.input(url(film), t=seconds)
    picture = source.video.filter("scale", -2, height).filter("tpad", stop=-1, color="gray")
    run_graph(ffmpeg.output(
        picture, source.audio.filter("apad"), url(minute[0]), t=60, acodec="flac", vcodec="libx264",
        preset="ultrafast", crf=20, bf=0, g=50,
    ))  # fmt: skip
    sound = ffmpeg.input(url(dialogue), t=seconds).audio.filter("apad")
    run_graph(ffmpeg.output(sound, url(minute[1]), t=60))


def turns(rttm: Path, target: Path, minutes: int, seconds: float) -> None:
    """The demo's RTTM up to ``seconds``, once for every minute."""
    lines = []
    for minute in range(minutes):
        for words in map(str.split, rttm.read_text("utf-8").splitlines()):
            start, length = float(words[3]), float(words[4])
            if start < seconds:
                length = min(length, seconds - start)
                lines.append(" ".join([*words[:3], f"{60 * minute + start:.3f}", f"{length:.3f}", *words[5:]]))
    target.write_text("\n".join(lines) + "\n", "utf-8")


def longer(source: Path, target: Path, minutes: int) -> None:
    """``source`` again and again without encoding it again."""
    run([ffmpeg_binary(), "-v", "error", "-y", "-stream_loop", minutes - 1, "-i", source, "-c", "copy", target])


def resident(pid: int, parent: str = "") -> int:
    """Resident bytes of a process and its children (Linux).

    A child that is still its parent's copy, the moment before it becomes ffmpeg, has no memory of its own.
    """
    total = 0
    try:
        program = str(Path(f"/proc/{pid}/exe").readlink())
        if program != parent:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(resident(int(child), program) for child in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def measure(project: Path, settings: tuple[str, ...]) -> tuple[dict[str, int], dict[str, float]]:
    """Peak resident bytes and seconds, by stage. They are kept beside the project: a bench that was stopped goes on."""
    kept = project.with_name("measured.json")
    peaks, seconds = json.loads(kept.read_text()) if kept.exists() else ({}, {})
    command = [sys.executable, "-m", "dubkit", "dub", str(project), "--progress", "json", "--preset", "draft"]
    command += [word for setting in settings for word in ("--set", setting)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    stage = "start"

    def watch() -> None:
        while process.poll() is None:
            peaks[stage] = max(peaks.get(stage, 0), resident(process.pid))
            time.sleep(EVERY)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    for line in process.stdout:
        event = json.loads(line)
        if event["kind"] == "start":
            stage = event["stage"]
        elif event["kind"] == "end":
            seconds[event["stage"]] = event["seconds"]
            kept.write_text(json.dumps([peaks, seconds]))
            print(f"  {event['stage']:<12}{peaks.get(stage, 0) / 1e6:>8.0f} MB{event['seconds']:>8.1f} s", flush=True)
    if process.wait():
        raise SystemExit("the run failed; see above")
    watcher.join()
    return peaks, seconds


def weights_bytes() -> int:
    """Sizes of the model files that a dub with default engines loads (an upper bound makes the test harder, not easier)."""
    from dubkit.weights import installed

    return sum(weights.size for weights in installed())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=int, nargs="+", default=[1, 10])
    arguments.add_argument("--height", type=int, default=1080)
    arguments.add_argument("--given", action="store_true", help="the turns are given, and nothing is transcribed")
    arguments.add_argument(
        "--seconds", type=float, default=60.0, help="of the demo film in every minute; the rest is grey"
    )
    arguments.add_argument("--folder", type=Path, help="keep films and artefacts here; none: a temporary folder")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rttm = folder / "demo" / "demo.rttm"
        minute = folder / "minute.mkv", folder / "minute.flac"
        if not minute[1].exists():
            demo = make_demo(folder / "demo")
            one_minute(demo.film, demo.dialogue, minute, given.height, given.seconds)
        rows = {}
        for minutes in given.minutes:
            here = folder / f"{minutes}"
            here.mkdir(exist_ok=True)
            project = here / "film.dub.toml"
            for source, name in zip(minute, ("film.mkv", "dub.flac"), strict=True):
                if not project.exists():
                    longer(source, here / name, minutes)
            project.write_text(
                'schema = "dubkit.project/1"\n[source]\nfilm = "film.mkv"\n[target.es]\ndialogue = "dub.flac"\n',
                "utf-8",
            )
            found = probe(here / "film.mkv")
            print(f"{minutes} min: {found.video.num_frames} frames {found.video.display_size}", flush=True)
            turns(rttm, here / "film.rttm", minutes, given.seconds)
            rows[minutes] = measure(project, SETTINGS + (GIVEN if given.given else ()))
    report(rows, weights_bytes())


def report(rows: dict[int, tuple[dict[str, int], dict[str, float]]], weights: int) -> None:
    """Prints the table, and fails where the whole run grows by more than the limit."""
    stages = list(dict.fromkeys(stage for peaks, _ in rows.values() for stage in peaks))
    print(f"\n{'peak, MB':<24}" + "".join(f"{minutes:>9} min" for minutes in rows) + "   last : first")
    ratio = 0.0
    for name in (*stages, "run", f"run without weights ({weights / 1e6:.0f})"):
        values = [peaks.get(name, max(peaks.values())) for peaks, _ in rows.values()]
        if name.startswith("run without"):
            values = [value - weights for value in values]
        ratio = values[-1] / values[0]
        print(f"{name:<24}" + "".join(f"{value / 1e6:>13.0f}" for value in values) + f"{ratio:>15.3f}")
    print(f"{'seconds':<24}" + "".join(f"{sum(seconds.values()):>13.0f}" for _, seconds in rows.values()))
    if ratio > LIMIT:
        raise SystemExit(f"memory grows with the film: {ratio:.3f}, allowed {LIMIT}")


if __name__ == "__main__":
    main()
