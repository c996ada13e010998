"""How long shots, faces with tracks, speaking and the assignment take, in seconds of CPU and of wall time.

python bench/faces.py FILM TURNS.rttm [--height 360]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from dubkit.cast.base import score_speaking
from dubkit.cast.match import match
from dubkit.faces.shots import find_shots
from dubkit.faces.track import track_faces
from dubkit.media import audio
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.settings import CastSettings, FacesSettings
from dubkit.speech import rttm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("turns", type=Path)
    parser.add_argument("--height", type=int, default=FacesSettings().detect_height)
    options = parser.parse_args()
    media, turns = probe(options.film), next(iter(rttm.load_all(options.turns).values()))
    faces, cast = FacesSettings(detect_height=options.height), CastSettings()
    clock: list[tuple[str, float, float]] = []

    def timed(name, work):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        clock.append((name, time.process_time() - cpu, time.perf_counter() - wall))
        return result

    with tempfile.TemporaryDirectory() as folder, FrameReader(media) as reader:
        sound = Path(folder) / "sound.flac"
        audio.extract(media, sound, sample_rate=16_000, channels=1)
        shots = timed("shots", lambda: find_shots(reader, faces))
        tracks = timed("faces", lambda: track_faces(reader, shots, faces))
        scores = timed("speaking", lambda: score_speaking(reader, tracks, turns, sound, cast))
        timed("match", lambda: match(turns, shots, tracks, scores, media.video.rate, cast))
    width, height = media.video.display_size
    print(f"{media.path.name}: {media.duration:.1f} s, {width}x{height}, {len(shots)} shots, {len(tracks)} tracks")
    for name, cpu, wall in [*clock, ("all", sum(c[1] for c in clock), sum(c[2] for c in clock))]:
        print(f"{name:9} {cpu:7.1f} s CPU {wall:7.1f} s wall   {media.duration / cpu:6.2f} x real time on one core")


if __name__ == "__main__":
    main()
