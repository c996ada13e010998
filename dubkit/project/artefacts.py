"""The nouns as files: JSON for what a person may want to read, NPZ for arrays. Deterministic bytes, atomic writes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from dubkit.errors import InputError
from dubkit.files import atomic_write
from dubkit.types import FaceTrack, SpeakingScore

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)


def write_json(path: Path, value: Any, kind: Any) -> Path:
    """Writes a noun, or a tuple of them, of the type ``kind`` (``Media``, ``tuple[Turn, ...]``)."""
    atomic_write(path, _adapter(kind).dump_json(value, indent=1) + b"\n")
    return path


def read_json(path: Path, kind: type[T]) -> T:
    """Reads what ``write_json`` wrote. Raises InputError where the file is not that."""
    try:
        return _adapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            f"{path} does not hold what dubkit wrote there ({error.errors()[0]['msg']}); delete it"
        ) from error


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    atomic_write(path, buffer.getvalue())
    return path


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


_TRACK_ARRAYS = ("frames", "boxes", "scores", "observed", "landmarks", "embedding", "embedder")


def write_tracks(path: Path, tracks: Iterable[FaceTrack]) -> Path:
    """NPZ with ``<track id>/<field>`` arrays."""
    arrays = {}
    for track in tracks:
        arrays[f"{track.id}/shot"] = np.array(track.shot)
        for name in _TRACK_ARRAYS:
            value = getattr(track, name)
            if value is not None:
                arrays[f"{track.id}/{name}"] = np.asarray(value)
    return write_arrays(path, arrays)


def read_tracks(path: Path) -> tuple[FaceTrack, ...]:
    tracks: dict[str, dict[str, Any]] = {}
    for key, value in read_arrays(path).items():
        identity, _, name = key.rpartition("/")
        tracks.setdefault(identity, {})[name] = value if value.ndim else value.item()
    return tuple(FaceTrack(id=identity, **fields) for identity, fields in tracks.items())


def write_scores(path: Path, scores: Iterable[SpeakingScore]) -> Path:
    """NPZ with ``<track id>/<engine>/frames`` and ``.../scores``."""
    arrays = {}
    for score in scores:
        arrays[f"{score.track_id}/{score.engine}/frames"] = score.frames
        arrays[f"{score.track_id}/{score.engine}/scores"] = score.scores
    return write_arrays(path, arrays)


def read_scores(path: Path) -> tuple[SpeakingScore, ...]:
    arrays = read_arrays(path)
    keys = dict.fromkeys(key.rpartition("/")[0] for key in arrays)
    return tuple(
        SpeakingScore(key.partition("/")[0], arrays[f"{key}/frames"], arrays[f"{key}/scores"], key.partition("/")[2])
        for key in keys
    )
