"""Sample strips to look at: held-out people speaking their own and somebody else's words."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from dubkit.lips.models.speech2vid import Speech2Vid
from dubkit.lips.models.wav2lip import Wav2Lip, picture_tensor, shown_to_network
from dubkit.lips.reference import laid_over, upper_faces
from dubkit.train.batches import APART
from dubkit.train.data import Clip, TalkingFaces

Speaker = Wav2Lip | Speech2Vid


@torch.no_grad()
def speak(model: Speaker, data: TalkingFaces, face: Clip, voice: Clip, frames: int, shift: int = 0,
          shown: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """``frames`` frames of ``face`` saying what ``voice`` says → (made, real), uint8 (frames, 96, 96, 3) BGR.

    ``shown`` are the references, such as ``references`` of other clips, so that with the clip's own voice the answer is not given
    away; without them each frame is its own, as the engine may do it. Speech2Vid is shown one still by its nature, the first
    of them. ``shift`` moves the voice by frames.
    """
    index = face.start + 1 + np.arange(frames)
    real = data.crops(face, index)
    other = real if shown is None else shown
    if isinstance(model, Speech2Vid):
        other = np.repeat(other[:1], frames, axis=0)
    mel = torch.from_numpy(data.generator_windows(voice, voice.start + 1 + np.arange(frames) + shift))
    target, still = (picture_tensor(torch.from_numpy(np.ascontiguousarray(crops))) for crops in (real, other))
    device = next(model.parameters()).device
    given = still if isinstance(model, Speech2Vid) else shown_to_network(target, still)
    made = model.eval()(mel.to(device), given.to(device)).cpu()
    return made.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy(), real


def references(data: TalkingFaces, face: Clip, frames: int, how: str = "laid") -> np.ndarray:
    """Pictures of the same person at another time, for ``frames`` frames of ``face`` from its second on, uint8 (frames, 96, 96, 3) BGR.

    "laid", as the engine does it: of all the person's other clips the picture nearest in pose, laid over the frame (as it
    is where it does not fit). "apart": the next clip's pictures one after the other, whatever their pose. Somebody with one
    clip is shown the other half of it.
    """
    others = [clip for clip in data.clips if clip.identity == face.identity and clip != face]
    at = face.start + 1 + np.arange(frames)
    late, middle = at > (face.start + face.stop) // 2, (face.start + face.stop) // 2
    if how == "laid":
        if others:
            return _laid(
                np.concatenate([data.crops(clip, np.arange(clip.start, clip.stop)) for clip in others]),
                data.crops(face, at),
            )
        first, last = np.arange(face.start, middle - APART), np.arange(middle + APART, face.stop)
        first, last = data.crops(face, first), data.crops(face, last)
        return np.concatenate([_laid(last, data.crops(face, at[~late])), _laid(first, data.crops(face, at[late]))])
    if others:
        mine = [clip for clip in data.clips if clip.identity == face.identity]
        other = mine[(mine.index(face) + 1) % len(mine)]
        return data.crops(other, other.start + np.arange(frames) % (other.stop - other.start))
    return data.crops(face, np.where(late, face.start, face.stop - 1))


def _laid(pool: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """For each target the picture of the pool that is nearest in pose, laid over it; as it is where it does not fit."""
    shown, poses = targets.copy(), upper_faces(pool)
    for i, own in enumerate(upper_faces(targets)):
        nearest = pool[np.abs(poses - own).mean(axis=1).argmin()]
        laid = laid_over(nearest, targets[i])
        shown[i] = nearest if laid is None else laid
    return shown


def write_strip(
    path: Path, model: Speaker, data: TalkingFaces, people: int = 4, columns: int = 12, seed: int = 3
) -> None:
    """A PNG with three rows a person: the film, the same frames with their own voice, and with another clip's voice."""
    rng = np.random.default_rng(seed)
    names = sorted({clip.identity for clip in data.clips})
    rows = []
    for name in [names[i] for i in np.linspace(0, len(names) - 1, min(people, len(names))).astype(int)]:
        mine = [clip for clip in data.clips if clip.identity == name]
        others = [clip for clip in data.clips if clip.identity != name] or mine
        face, voice = mine[rng.integers(len(mine))], others[rng.integers(len(others))]
        own, real = speak(model, data, face, face, 2 * columns)
        dubbed, _ = speak(model, data, face, voice, 2 * columns)
        rows += [np.concatenate(row[::2], axis=1) for row in (real, own, dubbed)]
    cv2.imwrite(str(path), np.concatenate(rows))
