"""From indexed videos to shards: face crops at 25 fps and 16 kHz sound, one shard a file, for ``TalkingFaces``.

The source is a folder with an ``index.csv`` (file, start, stop, set, identity, split): stretches of 25 fps videos in
which one person is seen to speak. A clip without a face, or beyond the end of its file, is left out. Videos that nobody
has indexed: ``videos.py``.

Shards are written one by one and listed in ``shards.json`` with their digests, which is written last: kill it, run it
again, and finished shards are kept. Splits go by identity, from a hash of the name: the same on every machine.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubkit.errors import InputError
from dubkit.faces.base import create_detector
from dubkit.files import atomic_write
from dubkit.media.audio import read_audio
from dubkit.media.probe import probe
from dubkit.media.reader import FrameReader
from dubkit.settings import FacesSettings
from dubkit.train.crops import STORED, cut, smooth_boxes
from dubkit.train.data import SCHEMA
from dubkit.train.runs import Report, silent

HELD_OUT = 0.1
SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
Detect = Callable[[np.ndarray], np.ndarray | None]
"""RGB picture → the face's box x0 y0 x1 y1, or None."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames ``[start, stop)`` of a 25 fps video in which one person speaks."""

    file: Path
    start: int
    stop: int
    set: str
    identity: str
    split: str


def prepare(source: Path, folder: Path, detect: Detect, *, every: int = 5, licence: str = "unknown",
            report: Report = silent) -> Path:  # fmt: skip
    """Make shards in ``folder`` from an indexed ``source`` → the path of ``shards.json``. Raises InputError.

    ``detect`` is called on every ``every``-th frame; boxes between are interpolated and smoothed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_file: dict[Path, list[Stretch]] = {}
    for stretch in read_index(source):
        by_file.setdefault(stretch.file, []).append(stretch)
    listed = []
    for file, stretches in sorted(by_file.items()):
        record = folder / f"{file.stem}.json"
        if not record.is_file():
            entry = _make_shard(file, stretches, folder, detect, every)
            write_json(record, entry)
            report(f"{file.name}: {len(entry['clips'])} of {len(stretches)} clips")
        listed.append(json.loads(record.read_text(encoding="utf-8")))
    return manifest(folder, source.name, listed, licence)


def manifest(folder: Path, source: str, shards: list[dict], licence: str) -> Path:
    """Write ``shards.json``, which makes the shards count."""
    write_json(folder / "shards.json", {"schema": SCHEMA, "source": source, "licence": licence, "shards": shards})
    return folder / "shards.json"


def read_index(source: Path) -> Iterator[Stretch]:
    """The rows of ``index.csv``. Raises InputError for a missing file, a missing column or a person in two splits."""
    path = source / "index.csv"
    if not path.is_file():
        raise InputError(f"{source} has no index.csv (columns: file, start, stop, set, identity, split)")
    splits: dict[str, str] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = {"file", "start", "stop", "set", "identity", "split"} - set(rows.fieldnames or ())
        if missing:
            raise InputError(f"{path} lacks the column {', '.join(sorted(missing))}")
        for row in rows:
            split = row["split"] or split_of(row["identity"])
            if splits.setdefault(row["identity"], split) != split:
                raise InputError(f"{path} puts '{row['identity']}' into two splits; held-out people must stay unseen")
            yield Stretch(source / row["file"], int(row["start"]), int(row["stop"]), row["set"], row["identity"], split)


def split_of(identity: str) -> str:
    """ "val" for a tenth of all names, "train" for the rest; the same for a name for ever."""
    share = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:4], "big") / 2**32
    return "val" if share < HELD_OUT else "train"


def verify(folder: Path) -> None:
    """Check every shard against its digest. Raises InputError naming the first that differs."""
    for entry in json.loads((folder / "shards.json").read_text(encoding="utf-8"))["shards"]:
        if _digest(folder, entry["name"]) != entry["digest"]:
            raise InputError(
                f"shard '{entry['name']}' in {folder} is not what was prepared; delete its .json, prepare again"
            )


def largest_face(settings: FacesSettings) -> Detect:
    """The box of a picture's largest face. The bundled networks were trained on YuNet's boxes."""
    detector = create_detector(settings)

    def largest(picture: np.ndarray) -> np.ndarray | None:
        boxes = detector.detect(picture).boxes
        return boxes[np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))] if len(boxes) else None

    return largest


def _make_shard(file: Path, stretches: list[Stretch], folder: Path, detect: Detect, every: int) -> dict:
    media = probe(file)
    if media.video is None or media.video.rate != 25:
        rate = "no picture" if media.video is None else f"{float(media.video.rate):.3f} frames a second"
        raise InputError(f"{file.name} has {rate}; training data must be at 25. Convert it with ffmpeg -r 25")
    with FrameReader(media) as reader:
        pictures = np.stack([frame.rgb() for frame in reader.read()])
    audio = read_audio(file, sample_rate=16_000, channels=1).reshape(-1)
    faces, clips = np.zeros((len(pictures), STORED, STORED, 3), np.uint8), []
    for stretch in stretches:
        count = stretch.stop - stretch.start
        boxes = np.full((count, 4), np.nan)
        for row in sorted({*range(0, count, every), count - 1}):
            if stretch.start + row < len(pictures) and (box := detect(pictures[stretch.start + row])) is not None:
                boxes[row] = box
        if stretch.stop > len(pictures) or not np.isfinite(boxes[:, 0]).any():
            continue
        for row, box in enumerate(smooth_boxes(boxes)):
            faces[stretch.start + row] = cut(pictures[stretch.start + row, :, :, ::-1], box)
        clips.append([stretch.start, stretch.stop])
    first = stretches[0]
    return {**write_shard(folder, file.stem, faces, audio), "set": first.set, "identity": first.identity,
            "split": first.split, "clips": clips}  # fmt: skip


def write_shard(folder: Path, name: str, faces: np.ndarray, audio: np.ndarray) -> dict:
    """Write faces (N, 112, 112, 3) uint8 BGR and their audio in [-1, 1] → name and digest for the list of shards."""
    np.save(folder / f"{name}.faces.npy", faces)
    np.save(folder / f"{name}.audio.npy", np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16))
    return {"name": name, "digest": _digest(folder, name)}


def _digest(folder: Path, name: str) -> str:
    digest = hashlib.sha256()
    for kind in ("faces", "audio"):
        digest.update((folder / f"{name}.{kind}.npy").read_bytes())
    return "sha256:" + digest.hexdigest()


def write_json(path: Path, content: dict) -> None:
    """Whole or not at all."""
    atomic_write(path, json.dumps(content, indent=1).encode())
