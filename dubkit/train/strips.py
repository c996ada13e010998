"""Sample strips to look at: held-out people speaking their own and somebody else's words."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from dubkit.lips.models.speech2vid import Speech2Vid
from dubkit.lips.models.wav2lip import Wav2Lip, picture_tensor, shown_to_network
from dubkit.train.data import Clip, TalkingFaces

Speaker = Wav2Lip | Speech2Vid


@torch.no_grad()
def speak(model: Speaker, data: TalkingFaces, face: Clip, voice: Clip, frames: int, shift: int = 0,
          reference: str = "same") -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """``frames`` frames of ``face`` saying what ``voice`` says → (made, real), uint8 (frames, 96, 96, 3) BGR.

    ``reference`` "same" shows the network the frame it replaces, as the engine may; "apart" shows frames of another clip of
    that person (of the same clip's other half, where there is one clip only), so that with the clip's own voice the answer
    is not given away. Speech2Vid is shown one still by its nature: the clip's first frame, or another clip's. ``shift``
    moves the voice by frames.
    """
    index = face.start + 1 + np.arange(frames)
    real = data.crops(face, index)
    if isinstance(model, Speech2Vid):
        other = np.repeat(references(data, face, frames)[:1] if reference == "apart" else data.crops(face, index[:1]), frames, axis=0)  # fmt: skip
    else:
        other = references(data, face, frames) if reference == "apart" else real
    mel = torch.from_numpy(data.generator_windows(voice, voice.start + 1 + np.arange(frames) + shift))
    target, shown = (picture_tensor(torch.from_numpy(np.ascontiguousarray(crops))) for crops in (real, other))
    device = next(model.parameters()).device
    given = shown if isinstance(model, Speech2Vid) else shown_to_network(target, shown)
    made = model.eval()(mel.to(device), given.to(device)).cpu()
    return made.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy(), real


def references(data: TalkingFaces, face: Clip, frames: int) -> np.ndarray:
    """Pictures of the same person at another time, uint8 (frames, 96, 96, 3): from their next clip, or far away in this one."""
    mine = [clip for clip in data.clips if clip.identity == face.identity]
    if len(mine) > 1:
        other = mine[(mine.index(face) + 1) % len(mine)]
        return data.crops(other, other.start + np.arange(frames) % (other.stop - other.start))
    late = face.start + 1 + np.arange(frames) > (face.start + face.stop) // 2
    return data.crops(face, np.where(late, face.start, face.stop - 1))


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
