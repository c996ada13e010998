"""Speech2Vid: a talking face from one still and 350 ms of voice, without seeing the frame it replaces.

Chung, Jamaludin and Zisserman, "You said that?", BMVC 2017: an audio encoder, an identity encoder, a decoder with skips
from the identity. A baseline here: its voice is Wav2Lip's 200 ms mel window instead of the paper's 350 ms of MFCC, so that
all generators are trained on the same draws, and its skips are at every scale.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from dubkit.lips.models.blocks import Conv, ConvTranspose, audio_encoder


@dataclass(frozen=True, slots=True)
class Speech2VidConfig:
    """``width`` channels in the first layer."""

    width: int = 16

    def to_dict(self) -> dict:
        return asdict(self)


class Speech2Vid(nn.Module):
    """``forward(mel (B, 1, 80, 16), still (B, 3, 96, 96)) → (B, 3, 96, 96)`` BGR in [0, 1]."""

    def __init__(self, width: int = 16):
        super().__init__()
        self.config = Speech2VidConfig(width)
        w = [width * n for n in (1, 2, 4, 8, 16, 16)]
        self.audio_encoder = audio_encoder(tuple(width * n for n in (1, 2, 4, 8, 16)), fourth_residuals=1)
        stages = [Conv(3, w[0], 7, padding=3)] + [
            Conv(cin, cout, stride=2) for cin, cout in zip(w, w[1:], strict=False)
        ]
        self.identity_encoder = nn.ModuleList([*stages, Conv(w[-1], w[-1], padding=0)])
        ups = [ConvTranspose(2 * w[-1], w[-1], stride=1, padding=0, output_padding=0)]
        inward = w[::-1]
        ups += [ConvTranspose(2 * cin, cout) for cin, cout in zip(inward, inward[1:], strict=False)]
        self.decoder = nn.ModuleList(ups)
        self.output = nn.Sequential(nn.Conv2d(2 * w[0], 3, 3, padding=1), nn.Sigmoid())

    def forward(self, mel: Tensor, still: Tensor) -> Tensor:
        skips, x = [], still
        for stage in self.identity_encoder:
            x = stage(x)
            skips.append(x)
        x = torch.cat((self.audio_encoder(mel), skips.pop()), dim=1)
        for stage in self.decoder:
            x = torch.cat((stage(x), skips.pop()), dim=1)
        last, sigmoid = self.output
        return sigmoid(last(x).float())  # under autocast: as Wav2Lip's
