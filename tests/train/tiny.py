"""A generator that trains in a blink, and a folder of made-up talking faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dubkit.lips.models.wav2lip import Wav2LipConfig
from dubkit.train.crops import STORED
from dubkit.train.data import SCHEMA

TINY = Wav2LipConfig(
    face=(2, 3, 4, 4, 5, 6, 6), audio=(2, 3, 4, 5, 6), decoder=(6, 6, 5, 4, 4, 3, 2), output=3, composite=True
)


def made_up_face(rng: np.random.Generator, seconds: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces (frames, 112, 112, 3) whose mouth is a dark bar as high as the voice (samples,) int16 is loud."""
    frames = 25 * seconds
    loud = np.abs(np.sin(np.cumsum(rng.uniform(0.1, 0.7, frames))))
    audio = np.repeat(loud, 640) * rng.normal(0, 4000, frames * 640)
    faces = rng.integers(90, 200, 3)[None, None, None] + rng.integers(-3, 4, (frames, STORED, STORED, 3))
    for frame, level in enumerate(loud):
        half = 1 + round(8 * level)
        faces[frame, 84 - half : 84 + half, 40:72] = 30
    return faces.astype(np.uint8), audio.astype(np.int16)


def made_up_shards(folder: Path, people: int = 3, seconds: int = 4, held_out: int = 1) -> Path:
    """Several made-up faces; the last ``held_out`` people are held out."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, shards = np.random.default_rng(4), []
    for person in range(people):
        faces, audio = made_up_face(rng, seconds)
        name = f"person{person}"
        np.save(folder / f"{name}.faces.npy", faces)
        np.save(folder / f"{name}.audio.npy", audio)
        clips = [[start, start + 50] for start in range(0, 25 * seconds, 50)]
        split = "val" if person >= people - held_out else "train"
        shards.append({"name": name, "set": "made-up", "identity": name, "split": split, "clips": clips})
    (folder / "shards.json").write_text(json.dumps({"schema": SCHEMA, "shards": shards}))
    return folder
