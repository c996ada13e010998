"""What the lips room hands to the render room: new faces for the frames of one job, and how to put them back.

A result is an NPZ file that loads without pickle. The same result is the same bytes on every machine and every run: the
members have fixed names, order and dates.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from dubkit.errors import InputError
from dubkit.files import atomic_write

SCHEMA = "dubkit.lips/1"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a ZIP member can have


@dataclass(frozen=True, slots=True, eq=False)
class LipResult:
    """New lips for ``N`` consecutive frames of one track. Crops are ``S`` × ``S`` pixels."""

    job_id: str
    frames: np.ndarray  # (N,) int64, frames of the source
    crops: np.ndarray  # (N, S, S, 3) uint8 RGB, the new faces; the upper half is the source
    transforms: np.ndarray  # (N, 2, 3) float32: crop pixel (u, v, 1) → source pixel after rotation, centres on integers
    alpha: np.ndarray  # (N,) float32 in [0, 1]: 0 = the source passes through, 1 = new lips
    masks: np.ndarray  # (N, 6) float32 in crop edges: the soft shape that shows the new lips, see masks.py
    detail: bool = True  # put the source's grain and fine structure back
    notes: tuple[str, ...] = ()  # what was passed through and why, in plain words
    stats: dict[str, object] = field(default_factory=dict)  # engine, weights, licence, frames changed (JSON types)
    seconds: float = (
        0.0  # that the job took in this run, decoding apart; not saved, so that the same job is the same bytes
    )

    def __post_init__(self) -> None:
        n, size = len(self.frames), self.crops.shape[1] if self.crops.ndim == 4 else -1
        expected = {
            "frames": (n,),
            "crops": (n, size, size, 3),
            "transforms": (n, 2, 3),
            "alpha": (n,),
            "masks": (n, 6),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"lips {self.job_id}: {name} must have shape {shape}, got {getattr(self, name).shape}")
        if n and not np.array_equal(self.frames, np.arange(self.frames[0], self.frames[0] + n)):
            raise ValueError(f"lips {self.job_id}: frames must be consecutive")

    @property
    def changed(self) -> np.ndarray:
        """Source frames that differ from the film, (M,) int64."""
        return self.frames[self.alpha > 0]

    def save(self, path: Path) -> None:
        """Writes the NPZ in one step: never half a file. Raises StorageError."""
        atomic_write(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        head = {"schema": SCHEMA, "job_id": self.job_id, "detail": self.detail, "notes": list(self.notes),
                "stats": self.stats}  # fmt: skip
        members = {name: getattr(self, name) for name in ("frames", "crops", "transforms", "alpha", "masks")}
        members["head"] = np.frombuffer(json.dumps(head, sort_keys=True).encode(), np.uint8)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, array in members.items():
                content = io.BytesIO()
                np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
                entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
                archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=1)
        return out.getvalue()

    @classmethod
    def load(cls, path: Path) -> LipResult:
        """Reads what ``save`` wrote. Raises InputError for anything else."""
        head, arrays = _read(path, [f.name for f in fields(cls)])
        return cls(head["job_id"], detail=head["detail"], notes=tuple(head["notes"]), stats=head["stats"], **arrays)


def changes_of(path: Path) -> tuple[dict[str, object], tuple[str, ...], np.ndarray]:
    """``stats``, ``notes`` and ``changed`` of a result, without reading the crops. Raises InputError."""
    head, arrays = _read(path, ["frames", "alpha"])
    return head["stats"], tuple(head["notes"]), arrays["frames"][arrays["alpha"] > 0]


def stats_of(path: Path) -> dict[str, object]:
    """``LipResult.stats`` alone, without reading the crops. Raises InputError."""
    return _read(path, ())[0]["stats"]


def _read(path: Path, names: Collection[str]) -> tuple[dict, dict[str, np.ndarray]]:
    """The head of a result and those of the arrays that it has."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            head = json.loads(archive["head"].tobytes())
            arrays = {name: archive[name] for name in names if f"{name}.npy" in archive.zip.namelist()}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a result of the lips stage ({error}); delete it and run again") from error
    if head.get("schema") != SCHEMA:
        raise InputError(f"{path} is a '{head.get('schema')}', this dubkit reads '{SCHEMA}'; delete it and run again")
    return head, arrays
