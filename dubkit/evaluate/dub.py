"""Lip sync of a finished dub, measured on the faces that were given new lips: what a batch report shows of each film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dubkit.digest import file_digest, value_digest
from dubkit.evaluate.lips import cut_faces, judged, load_judge, together
from dubkit.media.probe import probe
from dubkit.pieces import Pieces
from dubkit.progress import Progress, silent
from dubkit.project import artefacts
from dubkit.project.store import Store
from dubkit.types import LipJob, Shot


def evaluate_dub(
    store: Store, film: Path, language: str, weights: Path | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """LSE-D, LSE-C and AV offset of a finished film over its dubbed faces; those are known, so nothing is searched for.

    A killed run goes on with the shot that it was at. ``progress`` counts shots. Raises InputError where no face that was
    given new lips can be followed for two seconds.
    """
    paths = [store.stage_folder("lips", language) / "jobs.json", store.stage_folder("shots") / "shots.json",
             store.stage_folder("faces") / "tracks.npz"]  # fmt: skip
    dubbed = {job.track_id for job in artefacts.read_json(paths[0], tuple[LipJob, ...])}
    shots = artefacts.read_json(paths[1], tuple[Shot, ...])
    tracks = [track for track in artefacts.read_tracks(paths[2]) if track.id in dubbed]
    name, size, official, judge = load_judge(weights)
    digest = value_digest([name, str(weights), *(file_digest(path) for path in (film, *paths))])
    pieces, media, faces = Pieces(store.folder / language / "score.unfinished", digest), probe(film), []
    try:
        for shot in shots:
            mine = [track for track in tracks if track.frames[0] in shot.frames]
            if mine:
                faces += pieces(
                    f"shot {shot.index}",
                    lambda shot=shot, mine=mine: [
                        judged(face, judge, official) for face in cut_faces(media, [shot], mine, size, official)
                    ],
                )
            progress(shot.index + 1, len(shots))
    finally:
        pieces.close()
    scores = together(faces, film.name)
    pieces.discard()
    return {"judge": name, **{key: value for key, value in scores.items() if isinstance(value, (int, float))}}
