"""Lip sync of a finished dub, measured on the faces that were given new lips: what a batch report shows of each film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dubkit.evaluate.lips import cut_faces, load_judge, score_faces
from dubkit.media.probe import probe
from dubkit.project import artefacts
from dubkit.project.store import Store
from dubkit.types import LipJob, Shot


def evaluate_dub(store: Store, film: Path, language: str, weights: Path | None = None) -> dict[str, Any]:
    """LSE-D, LSE-C and AV offset of a finished film over its dubbed faces; those are known, so nothing is searched for.

    Raises InputError where no face that was given new lips can be followed for two seconds.
    """
    jobs = artefacts.read_json(store.stage_folder("lips", language) / "jobs.json", tuple[LipJob, ...])
    shots = artefacts.read_json(store.stage_folder("shots") / "shots.json", tuple[Shot, ...])
    dubbed = {job.track_id for job in jobs}
    tracks = [
        track for track in artefacts.read_tracks(store.stage_folder("faces") / "tracks.npz") if track.id in dubbed
    ]
    name, size, official, judge = load_judge(weights)
    faces = cut_faces(probe(film), shots, tracks, size, official)
    scores = score_faces(faces, judge, film.name, official)
    return {"judge": name, **{key: value for key, value in scores.items() if isinstance(value, (int, float))}}
