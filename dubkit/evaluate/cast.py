"""How right is a cast: shots, tracks, and above all whose face each line was given to.

The truth is a JSON file::

    {"rate": "25/1", "num_frames": 990,
     "shots": [{"frames": [0, 125], "faces": ["marc"]}, …],
     "turns": [{"speaker": "marc", "start": 0.0, "end": 1.2, "region": [x0, y0, x1, y1] or null}, …],
     "tracks": [{"person": "marc", "frames": [0, 125], "boxes": [[x0, y0, x1, y1], …]}, …]}      (optional)

or, in place of ``tracks``, ``"boxes": [{"marc": [x0, y0, x1, y1]}, …]``, the faces of every frame, as the demo has them.

``region`` is where in the picture the speaker's face is, in source pixels; null means off screen. Lines are compared by
time, frame by frame, so a diarizer may have split or merged them. Tracks are scored by the package motrics: IDF1 of Ristani
et al. 2016 and MOTA of Bernardin & Stiefelhagen 2008 at an overlap of one half, HOTA of Luiten et al. 2021 over all overlaps.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dubkit.errors import EngineUnavailable, InputError
from dubkit.timing import frames_covering
from dubkit.types import Assignment, FaceTrack, FrameRange, Shot, Turn

LARGE_MARGIN = 3.0  # nats (20 to 1): a wrong face given with more is a serious error
OVERLAP = 0.5  # intersection over union at which a box is a hit (HOTA: all of 0.05 to 0.95)


def evaluate_cast(truth: Path, project: Path) -> dict[str, Any]:
    """Scores the cast of a project that has run at least up to the stage "match". Raises InputError."""
    from dubkit.project import artefacts, schema

    folder = schema.load(project).folder
    try:
        found = (
            artefacts.read_json(folder / "shots" / "shots.json", tuple[Shot, ...]),
            artefacts.read_json(folder / "diarize" / "turns.json", tuple[Turn, ...]),
            artefacts.read_tracks(folder / "faces" / "tracks.npz"),
            artefacts.read_json(folder / "match" / "assignments.json", tuple[Assignment, ...]),
        )
    except FileNotFoundError as error:
        raise InputError(
            f"'{project}' has no cast yet ({error.filename} is missing); run: dubkit cast {project}"
        ) from error
    return score_cast(load_truth(truth), *found)


def load_truth(path: Path) -> dict[str, Any]:
    """Reads a truth file. Raises InputError."""
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
        Fraction(truth["rate"]), truth["turns"], truth["shots"]
    except (OSError, ValueError, ArithmeticError, KeyError, TypeError) as error:
        raise InputError(f"'{path}' is not a truth file for the cast (rate, shots, turns): {error!r}") from error
    return truth


def score_cast(
    truth: Mapping[str, Any],
    shots: Sequence[Shot],
    turns: Sequence[Turn],
    tracks: Sequence[FaceTrack],
    assignments: Sequence[Assignment],
) -> dict[str, Any]:
    """All measures; ``turns`` in the result says, line by line, what was expected and what was found."""
    rate = Fraction(truth["rate"])
    rows = [_score_turn(i, truth, tracks, assignments, rate) for i in range(len(truth["turns"]))]
    frames = Counter()
    for row in rows:
        frames += row.pop("frames")
    right = sum(row["verdict"] == "right" for row in rows)
    total = sum(frames.values())
    off_right, off_said, off_true = frames["off", "off"], frames["on", "off"] + frames["off", "off"], 0
    off_true = sum(count for (expected, _), count in frames.items() if expected == "off")
    result = {
        "turns_right": right,
        "turns_total": len(rows),
        "turn_accuracy": right / len(rows) if rows else 1.0,
        "time_accuracy": (frames["on", "right"] + off_right) / total if total else 1.0,
        "turns_undecided": sum(row["verdict"] == "undecided" for row in rows),
        "turns_wrong_with_large_margin": sum(
            row["verdict"] == "wrong" and (row["margin"] or 0) >= LARGE_MARGIN for row in rows
        ),
        "off_screen_precision": off_right / off_said if off_said else None,
        "off_screen_recall": off_right / off_true if off_true else None,
    }
    result |= score_shots(truth["shots"], shots)
    result["least_coverage"] = min((row["coverage"] for row in rows if row["coverage"] is not None), default=None)
    if real := truth_tracks(truth):
        result |= score_tracks(real, tracks)
    return result | {"turns": rows}


def score_shots(truth: Sequence[Mapping[str, Any]], shots: Sequence[Shot]) -> dict[str, Any]:
    """Boundaries found exactly, missed, and invented; the first frame of the film is none."""
    expected = {shot["frames"][0] for shot in truth} - {0}
    found = {shot.frames.start for shot in shots} - {0}
    return {
        "shots_exact": len(expected & found),
        "shots_missed": sorted(expected - found),
        "shots_invented": sorted(found - expected),
    }


def truth_tracks(truth: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The truth's ``tracks``; or, from its ``boxes`` (each frame's faces, name → box), one for each face and shot."""
    if truth.get("tracks") or not truth.get("boxes"):
        return truth.get("tracks") or []
    found = []
    for shot in truth["shots"]:
        running: dict[str, dict[str, Any]] = {}
        for frame in range(*shot["frames"]):
            for person, box in truth["boxes"][frame].items():
                track = running.get(person)
                if track is None or track["frames"][1] != frame:
                    track = running[person] = {"person": person, "frames": [frame, frame], "boxes": []}
                    found.append(track)
                track["frames"][1] = frame + 1
                track["boxes"].append(box)
    return found


def score_tracks(truth: Sequence[Mapping[str, Any]], tracks: Sequence[FaceTrack]) -> dict[str, float]:
    """IDF1, MOTA, HOTA with its two parts (detection, association), recall, precision and identity switches of boxes, over all
    frames that the truth or a track covers."""
    try:
        import motrics
    except ImportError as error:
        raise EngineUnavailable("motrics", "the package is missing", "pip install 'dubkit[evaluate]'") from error

    real = _by_frame((range(*track["frames"]), track["boxes"]) for track in truth)
    found = _by_frame((track.frames.tolist(), track.boxes) for track in tracks)
    frames = sorted(set(real) | set(found))
    sides = []
    for side in (real, found):
        ids = [[i for i, _ in side.get(frame, ())] for frame in frames]
        boxes = [np.array([box for _, box in side.get(frame, ())], np.float64).reshape(-1, 4) for frame in frames]
        sides.append(motrics.Frames(ids, boxes))
    scores = motrics.evaluate(*sides, iou_threshold=OVERLAP)
    return {
        "track_idf1": scores.identity.idf1,
        "track_mota": scores.clear.mota,
        "track_hota": scores.hota.hota,
        "track_deta": scores.hota.deta,
        "track_assa": scores.hota.assa,
        "track_recall": scores.clear.clr_re,
        "track_precision": scores.clear.clr_pr,
        "track_num_switches": scores.clear.num_switches,
    }


def _by_frame(tracks: Iterable[tuple[Iterable[int], Iterable]]) -> dict[int, list[tuple[int, Any]]]:
    """Frame → (number of the track, box) of the tracks that are in it."""
    table: dict[int, list[tuple[int, Any]]] = {}
    for i, (frames, boxes) in enumerate(tracks):
        for frame, box in zip(frames, boxes, strict=True):
            table.setdefault(frame, []).append((i, box))
    return table


def _score_turn(
    i: int, truth: Mapping[str, Any], tracks, assignments: Sequence[Assignment], rate: Fraction
) -> dict[str, Any]:
    turn = truth["turns"][i]
    start, stop = frames_covering(turn["start"], turn["end"], rate)
    region = turn["region"]
    by_id = {track.id: track for track in tracks}
    others = [t["region"] for j, t in enumerate(truth["turns"]) if j != i and t["region"]
              and t["start"] < turn["end"] and t["end"] > turn["start"]]  # fmt: skip
    near = [a for a in assignments if len(a.frames & FrameRange(start, stop))]
    counts: Counter = Counter()
    margins = {}
    for frame in range(start, stop):
        verdict, margin = _verdict(frame, region, others, [a for a in near if frame in a.frames], by_id)
        counts["off" if region is None else "on", verdict] += 1
        margins.setdefault(verdict, []).append(margin)
    verdict = max(counts, key=counts.get)[1] if counts else "missed"
    name = {"off": "right" if region is None else "missed"}.get(verdict, verdict)
    return {
        "speaker": turn["speaker"],
        "start": turn["start"],
        "end": turn["end"],
        "expected": "off screen" if region is None else "face",
        "verdict": name,
        "margin": round(float(np.median(margins[verdict])), 2) if margins else None,
        "coverage": None if region is None else _coverage(region, truth["shots"], start, tracks),
        "frames": counts,
    }


def _verdict(frame: int, region, others, current: Sequence[Assignment], by_id) -> tuple[str, float]:
    """right, wrong (another face), off (nobody is said to speak), undecided, or missed (no line here at all)."""
    shown = [(a, _inside(frame, region, by_id[a.track_id])) for a in current if a.track_id]
    hits = [a.margin for a, hit in shown if region is not None and hit]
    if hits:
        return "right", max(hits)
    wrong = [a.margin for a, _ in shown if not any(_inside(frame, other, by_id[a.track_id]) for other in others)]
    if wrong:
        return "wrong", max(wrong)
    for state, verdict in (("undecided", "undecided"), ("off-screen", "off")):
        margins = [a.margin for a in current if a.state == state]
        if margins:
            return verdict, max(margins)
    return "missed", 0.0


def _inside(frame: int, region, track: FaceTrack) -> bool:
    """The middle of the track's box lies in the region."""
    if region is None or frame not in track.range:
        return False
    x0, y0, x1, y1 = track.boxes[frame - track.range.start]
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return bool(region[0] <= x < region[2] and region[1] <= y < region[3])


def _coverage(region, shots, frame: int, tracks: Sequence[FaceTrack]) -> float | None:
    """Share of the shot's frames in which the best single track lies in the region."""
    shot = next((s["frames"] for s in shots if s["frames"][0] <= frame < s["frames"][1]), None)
    if shot is None:
        return None
    inside = [sum(_inside(f, region, t) for f in range(*shot)) for t in tracks if len(t.range & FrameRange(*shot))]
    return max(inside, default=0) / (shot[1] - shot[0])
