"""Sample strips to look at: held-out people speaking their own and somebody else's words."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from dubkit.lips.models.wav2lip import Wav2Lip, picture_tensor, shown_to_network
from dubkit.train.data import Clip, TalkingFaces


@torch.no_grad()
def speak(model: Wav2Lip, data: TalkingFaces, face: Clip, voice: Clip, frames: int, shift: int = 0,
          reference: str = "same") -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """``frames`` frames of ``face`` saying what ``voice`` says → (made, real), uint8 (frames, 96, 96, 3) BGR.

    ``reference`` "same" shows the network the frame it replaces, as the engine does; "apart" shows one from elsewhere in
    the clip, so that with the clip's own voice the answer is not given away. ``shift`` moves the voice by frames.
    """
    index = face.start + 1 + np.arange(frames)
    real = data.crops(face, index)
    other = real if reference == "same" else data.crops(face, np.full(frames, face.stop - 1))
    if reference == "apart":  # the first half of the clip looks at its end, the second half at its beginning
        late = index > (face.start + face.stop) // 2
        other[late] = data.crops(face, np.full(int(late.sum()), face.start))
    mel = data.generator_windows(voice, voice.start + 1 + np.arange(frames) + shift)
    shown = shown_to_network(*(picture_tensor(torch.from_numpy(crops)) for crops in (real, other)))
    device = next(model.parameters()).device
    made = model.eval()(torch.from_numpy(mel).to(device), shown.to(device)).cpu()
    return made.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy(), real


def write_strip(
    path: Path, model: Wav2Lip, data: TalkingFaces, people: int = 4, columns: int = 12, seed: int = 3
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
