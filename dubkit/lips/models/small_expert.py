"""The bundled lip-sync expert: the same question and the same input as ``expert.py``, answered by a network that learns on
a CPU in minutes.

Two things differ from the official one. The mouths are first made grey, halved to 24 × 48 and freed of each window's own
brightness and contrast; and the encoders end in a linear layer, so the cosine of the unit vectors lies in [-1, 1] and is a
score to compare, not a probability. On our small data the official design stayed at chance for hundreds of steps where
this one was above it after fifty.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRAMES = 5
_BGR_TO_GREY = (0.114, 0.587, 0.299)  # BT.601


@dataclass(frozen=True, slots=True)
class SmallExpertConfig:
    """``embedding`` numbers for each side; ``dropout`` before the last layer, in training only."""

    embedding: int = 128
    dropout: float = 0.1

    def to_dict(self) -> dict:
        return asdict(self)


class SmallExpert(nn.Module):
    """``voice(mel (B, 1, 80, 16)) → (B, D)``, ``mouth(mouths (B, 15, 48, 96)) → (B, D)``: unit vectors."""

    def __init__(self, config: SmallExpertConfig = SmallExpertConfig()):
        super().__init__()
        self.config = config
        self.face_encoder = nn.Sequential(
            _layer(FRAMES, 24, 5, 2), _layer(24, 32, 3, 2), _Residual(32), _layer(32, 64, 3, 2), _Residual(64),
            nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(64 * 3 * 6, config.embedding),
        )  # fmt: skip
        self.audio_encoder = nn.Sequential(
            _layer(1, 24, 5, (2, 1)), _layer(24, 32, 3, 2), _layer(32, 64, 3, 2), _layer(64, 64, 3, 2),
            nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(64 * 5 * 2, config.embedding),
        )  # fmt: skip
        self.register_buffer("grey", torch.tensor(_BGR_TO_GREY), persistent=False)

    def forward(self, mel: Tensor, mouths: Tensor) -> tuple[Tensor, Tensor]:
        return self.voice(mel), self.mouth(mouths)

    def voice(self, mel: Tensor) -> Tensor:
        return F.normalize(self.audio_encoder(mel / 2), dim=1)

    def mouth(self, mouths: Tensor) -> Tensor:
        grey = torch.einsum("bfchw,c->bfhw", mouths.unflatten(1, (FRAMES, 3)), self.grey)
        small = F.avg_pool2d(grey, 2)
        spread = small.std(dim=(1, 2, 3), keepdim=True) + 0.02
        return F.normalize(self.face_encoder((small - small.mean(dim=(1, 2, 3), keepdim=True)) / spread), dim=1)


def _layer(cin: int, cout: int, kernel: int, stride) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(cout), nn.ReLU())


class _Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.first = _layer(channels, channels, 3, 1)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))
