"""Two moving faces, one voice: how often does each active-speaker engine, and the whole-film assignment, pick the owner?

Films are put together from talking heads (../shared/data, see its index.csv): every shot shows two people side by side,
both talking, and the voice of one of them. Nothing but the agreement of lips and sound tells whose it is.

    python bench/two_shots.py [--films 6] [--engines motion,lr-asd,sync] [--lr-asd PATH] [--set lrcar|grid]
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

from dubkit.cast.base import score_speaking
from dubkit.cast.match import match
from dubkit.faces.track import track_faces
from dubkit.media.frame import Frame, PixelFormat
from dubkit.settings import CastSettings, FacesSettings
from dubkit.types import FrameRange, Media, Segment, Shot, Turn, VideoStream

DATA = Path(os.environ.get("DUBKIT_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
RATE, SIDE = 25, 256


class Film:
    """Pictures in memory that read like a film."""

    def __init__(self, pictures: list[np.ndarray]):
        height, width = pictures[0].shape[:2]
        video = VideoStream(
            0, "raw", width, height, Fraction(RATE), Fraction(1, RATE), len(pictures), 0.0, color_matrix="bt709"
        )
        self.media = Media(Path("film"), "", "raw", len(pictures) / RATE, video)
        self.pictures, self.format = pictures, PixelFormat.of(video)

    def read(self, frames: FrameRange | None = None):
        for i in frames or range(len(self.pictures)):
            yield Frame.from_rgb(i, self.pictures[i], self.format)

    def proxies(self, frames=None, height=360, step=1):
        for i in list(frames or range(len(self.pictures)))[::step]:
            yield i, self.pictures[i]


def clips(which: str) -> dict[str, list[tuple[list[np.ndarray], np.ndarray]]]:
    """Identity → [(pictures, sound at 16 kHz)], at most eight people with up to 16 clips of at least a second."""
    rows = defaultdict(list)
    for row in csv.DictReader((DATA / "index.csv").open()):
        if row["set"] == which and int(row["stop"]) - int(row["start"]) >= RATE:
            rows[row["file"]].append((int(row["start"]), int(row["stop"])))
    people = {}
    for file, spans in sorted(rows.items()):
        if len(spans) < 16 and which == "lrcar":
            continue
        if len(people) == 8:
            break
        with av.open(str(DATA / file)) as box:
            pictures = []
            for frame in box.decode(video=0):
                pictures.append(frame.to_ndarray(format="rgb24"))
                if len(pictures) == spans[:16][-1][1]:
                    break
        with av.open(str(DATA / file)) as box:
            mono = av.AudioResampler("flt", "mono", 16_000)
            sound = np.concatenate([r.to_ndarray()[0] for f in box.decode(audio=0) for r in mono.resample(f)])
        people[file] = [(pictures[a:b], sound[a * 640 : b * 640]) for a, b in spans[:16]]
    return people


def framed(picture: np.ndarray) -> np.ndarray:
    """A head with some room around it, so that the detector has what it expects."""
    room = cv2.copyMakeBorder(cv2.resize(picture, (176, 176)), 40, 40, 40, 40, cv2.BORDER_REPLICATE)
    return cv2.GaussianBlur(room, (0, 0), 0.5)


def film(people, rng: random.Random, cast_size: int, shots: int):
    """(Film, turns, shots, sound, owner of every shot: "left" or "right")."""
    names = rng.sample(sorted(people), cast_size)
    pool = {name: rng.sample(people[name], len(people[name])) for name in names}
    pictures, sound, turns, edges, owners = [], [], [], [0], []
    for i in range(shots):
        speaker, listener = rng.sample(names, 2)
        (spoken, voice), (other, _) = (pool[n][i % len(pool[n])] for n in (speaker, listener))
        length = min(len(spoken), len(other), 75)
        left = rng.random() < 0.5
        pair = (spoken, other) if left else (other, spoken)
        pictures += [np.hstack([framed(pair[0][k]), framed(pair[1][k])]) for k in range(length)]
        sound.append(voice[: length * 640])
        turns.append(Turn(f"t{i}", Segment(edges[-1] / RATE, (edges[-1] + length) / RATE), speaker))
        edges.append(edges[-1] + length)
        owners.append("left" if left else "right")
    cuts = tuple(Shot(i, FrameRange(a, b)) for i, (a, b) in enumerate(zip(edges, edges[1:], strict=False)))
    return Film(pictures), turns, cuts, np.concatenate(sound), owners


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=6)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--cast", type=int, default=4)
    parser.add_argument("--set", default="lrcar", choices=("lrcar", "grid"))
    parser.add_argument("--engines", default="motion,lr-asd,sync")
    parser.add_argument("--lr-asd", default=str(DATA.parent / "models" / "lr_asd_pretrain_AVA.model"))
    options = parser.parse_args()
    people, rng = clips(options.set), random.Random(7)
    alone, matched, wrong, undecided, total = (defaultdict(int) for _ in range(5))
    for _ in range(options.films):
        reader, turns, cuts, sound, owners = film(people, rng, options.cast, options.shots)
        tracks = track_faces(reader, cuts, FacesSettings())
        with tempfile.TemporaryDirectory() as folder:
            audio = Path(folder) / "sound.wav"
            soundfile.write(audio, sound, 16_000)
            for engine in options.engines.split(","):
                weights = options.lr_asd if engine == "lr-asd" else None
                settings = CastSettings(speaking=engine, speaking_weights=weights)
                scores = score_speaking(reader, tracks, turns, audio, settings)
                summed = {s.track_id: float(s.scores.sum()) for s in scores}
                side = {
                    t.id: "left" if t.boxes[:, [0, 2]].mean() < reader.media.video.width / 2 else "right"
                    for t in tracks
                }
                result = match(turns, cuts, tracks, scores, Fraction(RATE), settings)
                for i, owner in enumerate(owners):
                    here = [t.id for t in tracks if t.shot == i]
                    total[engine] += 1
                    alone[engine] += bool(here) and side[max(here, key=lambda t: summed.get(t, -9))] == owner
                    found = next(a for a in result.assignments if a.shot == i)
                    matched[engine] += bool(found.track_id) and side[found.track_id] == owner
                    undecided[engine] += found.state == "undecided"
                    wrong[engine] += bool(found.track_id) and side[found.track_id] != owner
    print(f"{options.set}: {options.films} films of {options.shots} two-shots with {options.cast} people; chance 0.50")
    for engine, count in total.items():
        print(
            f"{engine:8} alone {alone[engine] / count:.3f}   whole film: right {matched[engine] / count:.3f}, "
            f"wrong {wrong[engine] / count:.3f}, undecided {undecided[engine] / count:.3f}"
        )


if __name__ == "__main__":
    main()
