"""Shards made small enough to be carried to a lent GPU: pictures as H.264, and what the networks hear instead of sound.

A packed shard is ``NAME.faces.mp4`` (112 × 112, all frames, read back with OpenCV alone) and ``NAME.heard.npz`` with the mel
spectrogram in 256 levels and the MFCC of SyncNet in half precision. About a seventieth of the unpacked size. The pictures are
compressed once more, so numbers quoted for a set come from the unpacked shards.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dubkit.errors import EngineUnavailable, InputError
from dubkit.files import atomic_write, replacing

_LEVELS = 255 / 8  # mel values lie in [-4, 4]


def pack(shards: Path, folder: Path, crf: int = 24, report=lambda line: None) -> Path:
    """Pack all shards of a folder into ``folder`` → its ``shards.json``. Shards that are there already are kept."""
    from dubkit.lips.mel import melspectrogram

    manifest = shards / "shards.json"
    if not manifest.is_file():
        raise InputError(f"no shards.json in {shards}; make it with `dubkit train prepare`")
    listing = json.loads(manifest.read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    for entry in listing["shards"]:
        name, heard = entry["name"], folder / f"{entry['name']}.heard.npz"
        entry["packed"] = True
        entry.pop("digest", None)
        if not heard.is_file():
            faces = np.load(shards / f"{name}.faces.npy", mmap_mode="r")
            audio = np.load(shards / f"{name}.audio.npy").astype(np.float32) / 32768
            _write_faces(folder / f"{name}.faces.mp4", faces, crf)
            mel = np.round((melspectrogram(audio) + 4) * _LEVELS).astype(np.uint8)
            _write_heard(heard, mel, audio)
            report(f"{name}: {len(faces)} frames, {(folder / f'{name}.faces.mp4').stat().st_size / 1e3:.0f} kB")
    atomic_write(folder / "shards.json", json.dumps(listing).encode())
    return folder / "shards.json"


def is_packed(folder: Path, name: str) -> bool:
    return (folder / f"{name}.heard.npz").is_file()


def read_faces(folder: Path, name: str) -> np.ndarray:
    """All frames of a packed shard, uint8 (frames, 112, 112, 3) BGR. Raises InputError."""
    path = folder / f"{name}.faces.mp4"
    film = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, picture = film.read()
        if not there:
            break
        frames.append(picture)
    film.release()
    if not frames:
        raise InputError(f"OpenCV reads no picture from {path}; pack the shards again, or use unpacked ones")
    return np.stack(frames)


def read_mel(folder: Path, name: str) -> np.ndarray:
    """The mel spectrogram (80, steps) float32 of a packed shard, to a hundredth of its range of 8 exact."""
    return _heard(folder, name)["mel"].astype(np.float32) / np.float32(_LEVELS) - 4


def read_mfcc(folder: Path, name: str) -> np.ndarray:
    """The MFCC (13, steps) float32 of a packed shard."""
    return _heard(folder, name)["mfcc"].astype(np.float32)


def _heard(folder: Path, name: str):
    with np.load(folder / f"{name}.heard.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _write_heard(path: Path, mel: np.ndarray, audio: np.ndarray) -> None:
    from dubkit.evaluate.mfcc import mfcc

    with replacing(path) as partial:
        np.savez_compressed(partial, mel=mel, mfcc=mfcc(audio).astype(np.float16))


def _write_faces(path: Path, faces: np.ndarray, crf: int) -> None:
    try:
        import av
    except ImportError as error:
        raise EngineUnavailable("packing of shards", "the package 'av' is missing", "pip install av") from error
    options = {"crf": str(crf), "preset": "slow", "threads": "2"}
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = faces.shape[2], faces.shape[1], "yuv420p"
        for picture in faces:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            for packet in stream.encode(frame):
                film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)
