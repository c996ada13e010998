"""Prepared shards in memory: clips of talking faces and the draws each network trains on.

A shard is one person's ``NAME.faces.npy`` (frames, 112, 112, 3) uint8 BGR and ``NAME.audio.npy`` (samples,) int16 at
16 kHz, both from time zero at 25 fps; or the same packed to be carried (``packed.py``). ``shards.json`` lists them with
their split and clip boundaries. No draw crosses a clip. All randomness comes from the one ``numpy.random.Generator``
handed in, so that a run can be repeated. ``resident.py`` answers the same questions from a GPU's memory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dubkit.errors import InputError
from dubkit.lips.mel import melspectrogram, window_start, windows
from dubkit.train import packed
from dubkit.train.crops import CROP, inner

SCHEMA = "dubkit.shards/1"
RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames ``[start, stop)`` of a shard: one uncut stretch of one person speaking."""

    shard: int
    start: int
    stop: int
    set: str
    identity: str


class TalkingFaces:
    """The clips of one split. ``faces[shard]`` are memory-mapped crops, ``mels[shard]`` (80, steps); without ``pictures`` only
    the list of clips is read. Raises InputError."""

    def __init__(self, folder: Path, split: str, pictures: bool = True):
        manifest = folder / "shards.json"
        if not manifest.is_file():
            raise InputError(f"no shards.json in {folder}; make it with `dubkit train prepare`")
        listing = json.loads(manifest.read_text(encoding="utf-8"))
        if listing.get("schema") != SCHEMA:
            raise InputError(f"{manifest} is of schema {listing.get('schema')!r}, expected {SCHEMA!r}; prepare again")
        self.folder, self.split, self.licence, self.names = folder, split, listing.get("licence", "unknown"), []
        self.faces, self.mels, self.clips, self._pools = [], [], [], {}
        for entry in (e for e in listing["shards"] if e["split"] == split):
            shard = len(self.names)
            self.names.append(entry["name"])
            if not pictures:
                pass
            elif entry.get("packed"):
                self.faces.append(packed.read_faces(folder, entry["name"]))
                self.mels.append(packed.read_mel(folder, entry["name"]))
            else:
                self.faces.append(np.load(folder / f"{entry['name']}.faces.npy", mmap_mode="r"))
                self.mels.append(melspectrogram(self.audio(shard)))
            for start, stop in entry["clips"]:
                self.clips.append(Clip(shard, start, stop, entry["set"], entry["identity"]))
        if not self.clips:
            raise InputError(f"no clip of split '{split}' in {manifest}")
        self.sets = sorted({clip.set for clip in self.clips})

    def natural_shares(self) -> dict[str, float]:
        """Every set by the square root of its frames: a large one does not drown a small one."""
        return {name: sum(c.stop - c.start for c in self.clips if c.set == name) ** 0.5 for name in self.sets}

    def draw_clips(self, rng: np.random.Generator, count: int, frames: int, shares: dict[str, float]) -> list[Clip]:
        """``count`` clips of at least ``frames`` frames; each comes from a set drawn with probability ``shares``.
        Within a set, identities are drawn by the square root of what they have, so that nobody fills the batch."""
        drawn = []
        for name in rng.choice(list(shares), size=count, p=np.array(list(shares.values())) / sum(shares.values())):
            people, chances, clips = self._pool(str(name), frames)
            theirs = clips[rng.choice(people, p=chances)]
            drawn.append(theirs[rng.integers(len(theirs))])
        return drawn

    def another_clip(self, rng: np.random.Generator, clip: Clip) -> Clip:
        """A clip of the same person; ``clip`` itself where there is no other."""
        others = [other for other in self._pool(clip.set, 1)[2][clip.identity] if other != clip]
        return others[rng.integers(len(others))] if others else clip

    def _pool(self, name: str, frames: int) -> tuple[list[str], np.ndarray, dict[str, list[Clip]]]:
        """The people of a set with clips long enough, their chances, and those clips. Raises InputError without any."""
        if (name, frames) not in self._pools:
            clips: dict[str, list[Clip]] = {}
            for clip in self.clips:
                if clip.set == name and clip.stop - clip.start >= frames:
                    clips.setdefault(clip.identity, []).append(clip)
            if not clips:
                raise InputError(f"the {self.split} split of {self.folder} has no clip of set '{name}' with {frames} "
                                 f"frames; its sets are {', '.join(self.sets)}: choose shares among them")  # fmt: skip
            people = sorted(clips)
            amounts = np.sqrt([len(clips[person]) for person in people])
            self._pools[name, frames] = (people, amounts / amounts.sum(), clips)
        return self._pools[name, frames]

    def audio(self, shard: int) -> np.ndarray:
        """A shard's sound, float32 (samples,) at 16 kHz. Raises InputError for a packed shard, which has none."""
        path = self.folder / f"{self.names[shard]}.audio.npy"
        if not path.is_file():
            raise InputError(f"{path} is absent: packed shards carry what the networks hear, not the sound itself")
        return np.load(path).astype(np.float32) / 32768

    def crops(self, clip: Clip, frames: np.ndarray, move: Move | None = None) -> np.ndarray:
        """The 96 × 96 crops of ``frames`` (absolute indices) → uint8 (N, 96, 96, 3), under one augmentation."""
        stored = self.faces[clip.shard][frames]
        out = inner(stored) if move is None else inner(stored, move.dx, move.dy, move.scale, move.flip)
        if move is not None and (move.gain != 1 or move.lift):
            out = np.clip(out * np.float32(move.gain) + np.float32(move.lift), 0, 255).astype(np.uint8)
        return out

    def pictures(self, draws: Sequence[Stretch]) -> Tensor:
        """The crops of all draws, one after the other → uint8 (N, 96, 96, 3)."""
        return torch.from_numpy(np.concatenate([self.crops(d.clip, d.frames, d.move) for d in draws]))

    def frame_voices(self, draws: Sequence[Stretch]) -> Tensor:
        """What the generator hears at each frame of the draws → (N, 1, 80, 16)."""
        return torch.from_numpy(np.concatenate([self.generator_windows(d.clip, d.frames, d.loudness) for d in draws]))

    def stack_voices(self, draws: Sequence[Stretch]) -> Tensor:
        """What the expert hears from each frame of the draws on → (N, 1, 80, 16)."""
        return torch.from_numpy(np.concatenate([self.expert_windows(d.clip, d.frames, d.loudness) for d in draws]))

    def generator_windows(self, clip: Clip, frames: np.ndarray, gain: float = 0.0) -> np.ndarray:
        """Mel windows of single frames, starting 40 ms early → (N, 1, 80, 16)."""
        return _louder(windows(self.mels[clip.shard], (window_start(int(f), RATE) for f in frames)), gain)

    def expert_windows(self, clip: Clip, firsts: np.ndarray, gain: float = 0.0) -> np.ndarray:
        """Mel windows of five-frame stacks, starting with their first frame → (N, 1, 80, 16)."""
        return _louder(windows(self.mels[clip.shard], (int(f) * 80 // 25 for f in firsts)), gain)


@dataclass(frozen=True, slots=True)
class Move:
    """One augmentation, the same for all frames of a draw: shift (pixels), scale, mirror, contrast, brightness, and
    the loudness of the voice (in units of the normalised mel: 0.08 is 1 dB)."""

    dx: float = 0
    dy: float = 0
    scale: float = 1
    flip: bool = False
    gain: float = 1
    lift: float = 0
    mel: float = 0

    @classmethod
    def draw(cls, rng: np.random.Generator, pixels: float = 4, zoom: float = 0.06) -> Move:
        dx, dy = rng.uniform(-pixels, pixels, 2)
        scale = 1 + rng.uniform(-zoom, zoom)
        gain, lift = 1 + rng.uniform(-0.2, 0.2), rng.uniform(-15, 15)
        return cls(dx, dy, scale, bool(rng.integers(2)), gain, lift, rng.uniform(-0.5, 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Frames of one clip (absolute indices) that are looked at and heard under one augmentation."""

    clip: Clip
    frames: np.ndarray
    move: Move | None = None

    @property
    def loudness(self) -> float:
        return self.move.mel if self.move else 0.0


def mouth_stacks(crops: Tensor, firsts: np.ndarray) -> Tensor:
    """Five-frame stacks of lower halves from crops (N, 96, 96, 3) uint8 → uint8 (stacks, 15, 48, 96)."""
    lower = crops[:, CROP // 2 :].permute(0, 3, 1, 2)
    rows = torch.from_numpy(firsts[:, None] + np.arange(5)).to(crops.device)
    return lower[rows].reshape(len(firsts), 15, CROP // 2, CROP)


def _louder(mel: np.ndarray, gain: float) -> np.ndarray:
    return np.clip(mel + np.float32(gain), -4, 4) if gain else mel
