"""Frames a second and memory of the media room: python bench/media.py [FILM] [--seconds 20]

Without a film, a noisy 1080p one is made. Each line is one task in its own process, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import ffmpeg
import numpy as np

from dubkit.media.audio import blocks, extract
from dubkit.media.ffmpeg import run_graph, url
from dubkit.media.mux import AudioTrack, mux
from dubkit.media.packets import scan
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.media.writer import FrameWriter
from dubkit.process import run
from dubkit.settings import RenderSettings
from dubkit.types import FrameRange, Media

TASKS = (
    "probe",
    "scan",
    "read",
    "proxies",
    "seek",
    "rgb",
    "patch",
    "h264",
    "h264-veryfast",
    "h265",
    "prores",
    "ffv1",
    "extract",
    "mux",
)


def peak_mib() -> float:
    """Largest resident memory of this process, MiB (Linux and macOS)."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def make(path: Path, seconds: float) -> None:
    picture = ffmpeg.input(f"testsrc2=s=1920x1080:r=25:d={seconds}", f="lavfi").filter("noise", alls=12, allf="t")
    sound = ffmpeg.input(f"sine=d={seconds}:r=48000", f="lavfi")
    run_graph(ffmpeg.output(picture, sound, url(path), preset="ultrafast", crf=20, pix_fmt="yuv420p", g=50))


def encode(media: Media, path: Path, settings: RenderSettings, frames: FrameRange) -> int:
    with FrameReader(media) as reader, FrameWriter(path, media.video, settings) as writer:
        for frame in reader.read(frames):
            writer.write(frame)
    return len(frames)


def work(task: str, media: Media, folder: Path) -> int:
    """Does the task; returns how many frames it was."""
    everything = FrameRange(0, media.video.num_frames)
    some = FrameRange(0, min(100, media.video.num_frames))
    with FrameReader(media) as reader:
        if task == "probe":
            probe(media.path)
        elif task == "scan":
            scan(media.path)
        elif task == "read":
            return sum(1 for _ in reader.read())
        elif task == "proxies":
            return sum(1 for _ in reader.proxies(height=360))
        elif task == "seek":
            wanted = np.random.default_rng(0).integers(0, len(everything), 20)
            return sum(len(list(reader.read(FrameRange(int(n), int(n) + 1)))) for n in wanted)
        elif task == "rgb":
            return sum(frame.rgb().shape[0] > 0 for frame in reader.read(some))
        elif task == "patch":
            mask = np.ones((300, 260), np.float32)
            box = (800, 400, 1060, 700) if media.video.display_size[0] > 1060 else (0, 0, 260, 300)
            for frame in reader.read(some):
                frame.with_patch(box[0], box[1], frame.rgb(box, np.float32), mask)
            return len(some)
        elif task == "extract":
            extract(media, folder / "sound.flac", sample_rate=48_000)
            sum(block.shape[1] for block in blocks(folder / "sound.flac", sample_rate=16_000, channels=1))
        elif task == "mux":
            pieces = [folder / "piece.nut"]
            extract(media, folder / "sound.flac", sample_rate=48_000)
            encode(media, pieces[0], RenderSettings(speed="ultrafast"), everything)
            before = time.perf_counter()
            mux(pieces, media, [AudioTrack(folder / "sound.flac")], folder / "out.mp4", RenderSettings())
            print(f"{'mux alone':16}{time.perf_counter() - before:9.2f} s")
        else:
            codec, _, speed = task.partition("-")
            audio = {"prores": "pcm", "ffv1": "flac"}.get(codec, "aac")
            return encode(
                media,
                folder / "piece.nut",
                RenderSettings(codec=codec, speed=speed or "medium", audio_codec=audio),
                some,
            )
    return len(everything)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--task", choices=TASKS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        film = given.film or Path(folder) / "film.mp4"
        if given.film is None:
            make(film, given.seconds)
        if given.task:
            media = probe(film)
            scan.__globals__["_scan"].cache_clear()
            wall, cpu = time.perf_counter(), time.process_time()
            frames = work(given.task, media, Path(folder))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(
                f"{given.task:16}{wall:9.2f} s{frames / wall:10.1f} frames/s{cpu:9.2f} s CPU here{peak_mib():9.0f} MiB"
            )
            return
        media = probe(film)
        print(
            f"{film.name}: {media.video.display_size} {media.video.pix_fmt}, {media.video.num_frames} frames",
            flush=True,
        )
        for task in TASKS:
            print(run([sys.executable, __file__, film, "--task", task]).decode(), end="", flush=True)


if __name__ == "__main__":
    main()
