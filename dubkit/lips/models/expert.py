"""The lip-sync expert: do these five mouths belong to these 200 ms of voice?

The colour SyncNet of "A Lip Sync Expert Is All You Need" (ACM MM 2020): both encoders end in ReLU, so the cosine of the
two unit vectors lies in [0, 1] and is read as a probability. The default configuration has the names and shapes of the
official ``lipsync_expert.pth``.

Input: the lower half of 5 consecutive 25 fps crops (crop convention: ``wav2lip.py``), BGR / 255, stacked frame by frame
into 15 channels; the mel window starts at the *first* of the five frames (not 40 ms earlier, as the generator's does).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dubkit.errors import SettingsError
from dubkit.lips.models.blocks import Conv, audio_encoder

FRAMES = 5


@dataclass(frozen=True, slots=True)
class ExpertConfig:
    """``width`` channels in the first layer (official: 32). ``stem_stride`` 2 halves the picture at once and the last
    halving is left out: a quarter of the work for faces that were small to begin with."""

    width: int = 32
    stem_stride: int = 1

    def __post_init__(self) -> None:
        if self.stem_stride not in (1, 2) or self.width < 1:
            raise SettingsError(f"an expert has a stem stride of 1 or 2 and a width of at least 1, got {self}")

    def to_dict(self) -> dict:
        return asdict(self)


class LipSyncExpert(nn.Module):
    """``forward(mel (B, 1, 80, 16), mouths (B, 15, 48, 96)) → voice (B, D), mouth (B, D)``, unit vectors ≥ 0."""

    def __init__(self, config: ExpertConfig = ExpertConfig()):
        super().__init__()
        self.config = config
        a = config.width
        b, c, d, e = 2 * a, 4 * a, 8 * a, 16 * a
        layers = [Conv(3 * FRAMES, a, kernel=7, stride=config.stem_stride, padding=3)]
        layers += [Conv(a, b, kernel=5, stride=(1, 2)), *_residuals(b, 2)]
        layers += [Conv(b, c, stride=2), *_residuals(c, 3)]
        layers += [Conv(c, d, stride=2), *_residuals(d, 2)]
        layers += [Conv(d, e, stride=2), *_residuals(e, 2)]
        layers += [Conv(e, e, stride=3 - config.stem_stride), Conv(e, e, padding=0), Conv(e, e, kernel=1, padding=0)]
        self.face_encoder = nn.Sequential(*layers)
        self.audio_encoder = audio_encoder((a, b, c, d, e), fourth_residuals=2)

    def forward(self, mel: Tensor, mouths: Tensor) -> tuple[Tensor, Tensor]:
        return self.voice(mel), self.mouth(mouths)

    def voice(self, mel: Tensor) -> Tensor:
        return F.normalize(self.audio_encoder(mel).flatten(1), dim=1)

    def mouth(self, mouths: Tensor) -> Tensor:
        return F.normalize(self.face_encoder(mouths).flatten(1), dim=1)


def mouth_stack(faces: Tensor) -> Tensor:
    """Lower halves of five face crops, (B, 3, 5, S, S) → (B, 15, S/2, S), the frames one after the other."""
    lower = faces[..., faces.shape[-2] // 2 :, :]
    return lower.transpose(1, 2).flatten(1, 2)


def _residuals(channels: int, count: int) -> list[nn.Module]:
    return [Conv(channels, channels, residual=True) for _ in range(count)]
