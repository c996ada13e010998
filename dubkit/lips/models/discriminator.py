"""Discriminators: Wav2Lip's visual-quality one, and LipGAN's, which also hears.

Prajwal et al. 2020 (``QualityDiscriminator``; entry names as in the official ``visual_quality_disc.pth``) and
"Towards Automatic Face-to-Face Translation", ACM MM 2019 (``PairDiscriminator``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dubkit.lips.models.blocks import Conv, PlainConv, audio_encoder


class QualityDiscriminator(nn.Module):
    """Is this lower half a photograph? ``forward(pictures (B, 3, 96, 96)) → (B,)`` probability of real.
    ``width`` channels in the first layer; the official one has 32."""

    def __init__(self, width: int = 32):
        super().__init__()
        a, b, c, d, e = (width * n for n in (1, 2, 4, 8, 16))
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(PlainConv(3, a, 7, padding=3)),
                nn.Sequential(PlainConv(a, b, 5, (1, 2), 2), PlainConv(b, b, 5, 1, 2)),
                nn.Sequential(PlainConv(b, c, 5, 2, 2), PlainConv(c, c, 5, 1, 2)),
                nn.Sequential(PlainConv(c, d, 5, 2, 2), PlainConv(d, d, 5, 1, 2)),
                nn.Sequential(PlainConv(d, e, 3, 2), PlainConv(e, e)),
                nn.Sequential(PlainConv(e, e, 3, 2), PlainConv(e, e)),
                nn.Sequential(PlainConv(e, e, padding=0), PlainConv(e, e, 1, padding=0)),
            ]
        )
        self.binary_pred = nn.Sequential(nn.Conv2d(e, 1, kernel_size=1), nn.Sigmoid())

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures[:, :, pictures.shape[2] // 2 :]
        for stage in self.face_encoder_blocks:
            x = stage(x)
        last, sigmoid = self.binary_pred
        return sigmoid(last(x).float()).flatten()  # in bf16 0.999 is 1, of which cross-entropy has no gradient


class PairDiscriminator(nn.Module):
    """LipGAN's: how far are this face and this voice apart? ``forward(pictures (B, 3, 96, 96), mel (B, 1, 80, 16)) → (B,)``
    Euclidean distance of their embeddings; small for a real face in sync."""

    def __init__(self, width: int = 32):
        super().__init__()
        a, b, c, d, e = (width * n for n in (1, 2, 4, 8, 16))
        self.face_encoder = nn.Sequential(
            Conv(3, a, 7, padding=3), Conv(a, b, stride=2), Conv(b, c, stride=2), Conv(c, d, stride=2),
            Conv(d, e, stride=2), Conv(e, e, stride=2), Conv(e, e, padding=0), nn.Conv2d(e, e, 1),
        )  # fmt: skip
        self.audio_encoder = nn.Sequential(*audio_encoder((a, b, c, d, e), fourth_residuals=1), nn.Conv2d(e, e, 1))

    def forward(self, pictures: Tensor, mel: Tensor) -> Tensor:
        apart = self.face_encoder(pictures).flatten(1) - self.audio_encoder(mel).flatten(1)
        return torch.sqrt(apart.square().mean(dim=1) + 1e-8)
