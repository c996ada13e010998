"""The faces stage, shot by shot: each shot's tracks are kept as soon as it is over, so that a killed run loses at most one
shot and several workers can follow the faces of one film."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from dubkit.digest import value_digest
from dubkit.project import artefacts
from dubkit.types import FaceTrack, FrameRange, Shot

if TYPE_CHECKING:
    from dubkit.project.stages import Work


def all_tracks(work: Work) -> list[FaceTrack]:
    """The tracks of the whole film; shots that were followed already are only read."""
    paths = follow_shots(work, None)
    for other in (work.folder / "shots").glob("*.npz"):
        if other not in paths:
            other.unlink()
    return [track for path in paths for track in artefacts.read_tracks(path)]


def follow_shots(work: Work, only: FrameRange | None) -> list[Path]:
    """Follows the faces of the shots (that begin in ``only``) whose files are missing; the files of all shots."""
    from dubkit.faces.track import track_faces
    from dubkit.media.reader import FrameReader

    media, shots = work.media(), work.shots()
    paths = dict(zip(shots, _paths(work, media.digest, shots), strict=True))
    folder = work.folder / "shots"
    folder.mkdir(exist_ok=True)

    def keep(shot: Shot, tracks: list[FaceTrack]) -> None:
        artefacts.write_tracks(paths[shot], tracks)

    wanted = [shot for shot in shots if only is None or shot.frames.start in only]
    with FrameReader(media) as reader:
        for missing, group in groupby(wanted, key=lambda shot: not paths[shot].exists()):
            if missing:
                track_faces(reader, list(group), work.settings.faces, work.progress, keep)
    return list(paths.values())


def _paths(work: Work, film: str, shots: tuple[Shot, ...]) -> list[Path]:
    """One file a shot, named by what its tracks depend on."""
    from dubkit.project.engines_used import face_engines
    from dubkit.project.stages import STAGE

    settings = work.settings.faces.model_dump(exclude={"shots"})
    digest = value_digest([film, settings, face_engines(work.settings), STAGE["faces"].version])[:16]
    return [
        work.folder / "shots" / f"{shot.index:04}-{shot.frames.start:07}-{shot.frames.stop:07}-{digest}.npz"
        for shot in shots
    ]
