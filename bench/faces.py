"""How long shots, faces with tracks, speaking and the assignment take with the default settings: CPU and wall time.

    python bench/faces.py FILM TURNS.rttm [--height 1080] [--speaking motion+sync]

``--height`` first makes a copy of that height, with a camera's grain, as H.264 (CRF 20), and measures that.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import ffmpeg

from dubkit.cast.base import score_speaking, speaking_engines
from dubkit.cast.match import match
from dubkit.faces.base import create_detector
from dubkit.faces.embed import create_embedder
from dubkit.faces.shots import find_shots
from dubkit.faces.track import track_faces
from dubkit.media import audio
from dubkit.media.ffmpeg import run_graph, url
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.settings import CastSettings, FacesSettings
from dubkit.speech import rttm


def scaled(film: Path, folder: Path, height: int) -> Path:
    """A copy of the film of another height, with grain."""
    copy, source = folder / film.name, ffmpeg.input(url(film))
    picture = source.video.filter("scale", -2, height, flags="lanczos").filter("noise", alls=3, allf="t")
    encoding = {"c:v": "libx264", "preset": "fast", "crf": 20, "pix_fmt": "yuv420p", "c:a": "copy"}
    run_graph(ffmpeg.output(picture, source.audio, url(copy), **encoding))
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("turns", type=Path)
    parser.add_argument("--height", type=int, help="pixels; none: the film as it is")
    parser.add_argument("--speaking", default=CastSettings().speaking)
    options = parser.parse_args()
    turns = next(iter(rttm.load_all(options.turns).values()))
    faces, cast = FacesSettings(), CastSettings(speaking=options.speaking)
    clock: list[tuple[str, float, float]] = []

    def timed(name, work):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        clock.append((name, time.process_time() - cpu, time.perf_counter() - wall))
        return result

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        film = scaled(options.film, Path(folder), options.height) if options.height else options.film
        media = probe(film)
        reader = stack.enter_context(FrameReader(media))
        sound = Path(folder) / "sound.flac"
        audio.extract(media, sound, sample_rate=16_000, channels=1)
        timed("loading", lambda: (create_detector(faces), create_embedder(faces), speaking_engines(cast)))
        shots = timed("shots", lambda: find_shots(reader, faces))
        tracks = timed("faces", lambda: track_faces(reader, shots, faces))
        scores = timed("speaking", lambda: score_speaking(reader, tracks, turns, sound, cast))
        timed("match", lambda: match(turns, shots, tracks, scores, media.video.rate, cast))
        size = film.stat().st_size
    width, height = media.video.display_size
    print(
        f"{options.film.name}: {media.duration:.1f} s, {width}x{height}, {size * 8 / media.duration / 1e6:.1f} Mbit/s, "
        f"{len(shots)} shots, {len(tracks)} tracks"
    )
    work = [c for c in clock if c[0] != "loading"]  # packages and networks are loaded once, however long the film
    for name, cpu, wall in [*clock, ("all work", sum(c[1] for c in work), sum(c[2] for c in work))]:
        print(f"{name:9} {cpu:7.1f} s CPU {wall:7.1f} s wall   {media.duration / wall:6.2f} x real time")


if __name__ == "__main__":
    main()
