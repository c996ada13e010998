"""Two moving faces, one voice: how often does each active-speaker engine, and the whole-film assignment, pick the owner?

Films are put together from talking heads (../shared/data, see its index.csv): every shot shows two people side by side,
both talking, and the voice of one of them. Nothing but the agreement of lips and sound tells whose it is. The bundled
lip-sync expert behind the engine ``sync`` has seen the identities marked "train" in the index and never those marked
"val" (LRC-AR p08, p17, p28, p33; GRID xd, xg): read ``sync`` on held-out people only.

    python bench/two_shots.py [--people held-out|trained|grid] [--films 8] [--shots 12] [--cast 2]
                              [--engines motion,sync,lr-asd] [--seed 7] [--scores FILE.json]

``grid`` lets xd and xg speak beside every other GRID face: people speak the same sentence frame there, in the same time.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
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
from scipy.optimize import minimize

from dubkit.cast.base import score_speaking
from dubkit.cast.match import match
from dubkit.faces.track import track_faces
from dubkit.media.frame import Frame, PixelFormat
from dubkit.settings import CastSettings, FacesSettings
from dubkit.types import FrameRange, Media, Segment, Shot, Turn, VideoStream

SHARED = Path(os.environ.get("DUBKIT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
RATE, LONGEST, LARGE_MARGIN = 25, 75, 3.0
CLIPS = 64  # of one person, at most
HELD_OUT_GRID = ("grid_xd.mp4", "grid_xg.mp4")
Clip = tuple[list[np.ndarray], np.ndarray]  # pictures and sound at 16 kHz


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


def clips(people: str) -> dict[str, list[Clip]]:
    """File of a person → clips of at least a second."""
    spans, split = defaultdict(list), {}
    for row in csv.DictReader((SHARED / "data" / "index.csv").open()):
        wanted = row["set"] == "grid" if people == "grid" else row["set"] == "lrcar"
        if wanted and int(row["stop"]) - int(row["start"]) >= RATE:
            spans[row["file"]].append((int(row["start"]), int(row["stop"])))
            split[row["file"]] = row["split"]
    if people == "grid":
        chosen = sorted(spans)
    else:
        least, kind = (16, "train") if people == "trained" else (1, "val")
        chosen = [file for file in sorted(spans) if split[file] == kind and len(spans[file]) >= least][:8]
    return {file: load(file, spans[file][: 4 if people == "grid" else CLIPS]) for file in chosen}


def load(file: str, spans: list[tuple[int, int]]) -> list[Clip]:
    with av.open(str(SHARED / "data" / file)) as box:
        pictures = [f.to_ndarray(format="rgb24") for f in itertools.islice(box.decode(video=0), spans[-1][1])]
    with av.open(str(SHARED / "data" / file)) as box:
        mono = av.AudioResampler("flt", "mono", 16_000)
        sound = np.concatenate([r.to_ndarray()[0] for f in box.decode(audio=0) for r in mono.resample(f)])
    return [(pictures[a:b], sound[a * 640 : b * 640]) for a, b in spans]


def framed(picture: np.ndarray) -> np.ndarray:
    """A head with some room around it, so that the detector has what it expects."""
    room = cv2.copyMakeBorder(cv2.resize(picture, (176, 176)), 40, 40, 40, 40, cv2.BORDER_REPLICATE)
    return cv2.GaussianBlur(room, (0, 0), 0.5)


def film(script: list[tuple[str, Clip, Clip]], rng: random.Random):
    """(Film, turns, shots, sound, owner of every shot: "left" or "right") of (speaker, its clip, the listener's clip)."""
    pictures, sound, turns, edges, owners = [], [], [], [0], []
    for i, (speaker, (spoken, voice), (other, _)) in enumerate(script):
        length = min(len(spoken), len(other), LONGEST)
        left = rng.random() < 0.5
        pair = (spoken, other) if left else (other, spoken)
        pictures += [np.hstack([framed(pair[0][k]), framed(pair[1][k])]) for k in range(length)]
        sound.append(voice[: length * 640])
        turns.append(Turn(f"t{i}", Segment(edges[-1] / RATE, (edges[-1] + length) / RATE), speaker))
        edges.append(edges[-1] + length)
        owners.append("left" if left else "right")
    cuts = tuple(Shot(i, FrameRange(a, b)) for i, (a, b) in enumerate(itertools.pairwise(edges)))
    return Film(pictures), turns, cuts, np.concatenate(sound), owners


def scripts(people: dict[str, list[Clip]], kind: str, films: int, shots: int, size: int, rng: random.Random):
    """Each film: people who take turns, two of them side by side. With a cast of two both are always in the picture, and
    nothing but lips tells whose line it is; with more, who is there when a voice is heard tells much."""
    if kind == "grid":
        yield [(s, people[s][0], people[o][0]) for s in HELD_OUT_GRID for o in people if o != s]
        return
    fresh = {name: [] for name in people}

    def next_clip(name):
        fresh[name] = fresh[name] or rng.sample(people[name], len(people[name]))
        return fresh[name].pop()

    for _ in range(films):
        cast, script = rng.sample(sorted(people), size), []
        for _ in range(shots):
            speaker, listener = rng.sample(cast, 2)
            script.append((speaker, next_clip(speaker), next_clip(listener)))
        yield script


def measure(script, engines: list[str], combinations: list[str], lr_asd: str, rng: random.Random) -> list[dict]:
    """One row for each shot: every engine's evidence for the owner and for the other, every combination's verdict."""
    reader, turns, cuts, sound, owners = film(script, rng)
    tracks = track_faces(reader, cuts, FacesSettings())
    middle = reader.media.video.width / 2
    side = {t.id: "left" if t.boxes[:, [0, 2]].mean() < middle else "right" for t in tracks}
    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "sound.wav"
        soundfile.write(audio, sound, 16_000)
        for engine in engines:
            settings = CastSettings(speaking=engine, speaking_weights=lr_asd if engine == "lr-asd" else None)
            scores[engine] = score_speaking(reader, tracks, turns, audio, settings)
    rows = []
    for i, owner in enumerate(owners):
        row = {"speaker": turns[i].speaker, "evidence": {}, "verdict": {}, "margin": {}}
        for engine, found in scores.items():
            summed = {s.track_id: float(s.scores.sum()) for s in found}
            by_side = {side[t.id]: summed.get(t.id, 0.0) for t in tracks if t.shot == i}
            row["evidence"][engine] = [by_side.get(owner), by_side.get("right" if owner == "left" else "left")]
        rows.append(row)
    for combination in combinations:
        found = [score for engine in combination.split("+") for score in scores[engine]]
        for a in match(turns, cuts, tracks, found, Fraction(RATE), CastSettings()).assignments:
            right = "right" if a.track_id and side[a.track_id] == owners[a.shot] else "wrong"
            rows[a.shot]["verdict"][combination] = right if a.track_id else a.state
            rows[a.shot]["margin"][combination] = a.margin
    return rows


def weights_of(differences: np.ndarray) -> np.ndarray:
    """What the evidence of each engine must be multiplied with to be log-odds: logistic regression of owner minus other."""
    loss = lambda w: np.logaddexp(0, -differences @ w).mean()  # noqa: E731
    return minimize(loss, np.ones(differences.shape[1])).x


def report(rows: list[dict], combinations: list[str]) -> None:
    whole = [r for r in rows if all(v is not None for pair in r["evidence"].values() for v in pair)]
    print(f"{len(rows)} two-shots of {len({r['speaker'] for r in rows})} speakers, both faces found in {len(whole)}")
    print("engines           alone  weight  log-loss |  whole film: right  wrong  (surely)  undecided  off screen")
    for combination in combinations:
        parts = combination.split("+")
        table = np.array([[r["evidence"][e][0] - r["evidence"][e][1] for e in parts] for r in whole])
        total = table.sum(axis=1)
        alone = (total > 0).mean() + 0.5 * (total == 0).mean()
        weight, loss = weights_of(total[:, None])[0], np.logaddexp(0, -total).mean()
        share = lambda state: sum(r["verdict"].get(combination) == state for r in rows) / len(rows)  # noqa: E731, B023
        sure = sum(r["verdict"].get(combination) == "wrong" and r["margin"][combination] >= LARGE_MARGIN for r in rows)
        print(
            f"{combination:17} {alone:.3f}  {weight:6.2f}  {loss:8.3f} | {share('right'):18.3f} {share('wrong'):6.3f} "
            f"{sure / len(rows):9.3f} {share('undecided'):10.3f} {share('off-screen'):11.3f}"
        )
        if len(parts) > 1:
            print(f"{'':17} best weights: {', '.join(f'{w:.2f}' for w in weights_of(table))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", default="held-out", choices=("held-out", "trained", "grid"))
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--shots", type=int, default=12)
    parser.add_argument("--cast", type=int, default=2, help="people in a film")
    parser.add_argument("--engines", default="motion,sync,lr-asd")
    parser.add_argument("--lr-asd", default=str(SHARED / "models" / "lr_asd_pretrain_AVA.model"))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scores", type=Path, help="keep every shot's evidence in this JSON file, and go on from it")
    options = parser.parse_args()
    engines = options.engines.split(",")
    combinations = ["+".join(c) for n in range(1, len(engines) + 1) for c in itertools.combinations(engines, n)]
    people, rng, rows = clips(options.people), random.Random(options.seed), []
    if options.scores and options.scores.exists():  # runs with other seeds, so that a busy machine can do it in pieces
        rows = json.loads(options.scores.read_text())
    for script in scripts(people, options.people, options.films, options.shots, options.cast, rng):
        rows += measure(script, engines, combinations, options.lr_asd, rng)
        if options.scores:
            options.scores.write_text(json.dumps(rows))
    print(
        f"{options.people}; a coin would have 0.500; a weight of 1 is calibrated; 'surely': margin of 3 nats and more"
    )
    report(rows, combinations)


if __name__ == "__main__":
    main()
