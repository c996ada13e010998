"""Wav2Lip's generator: a face with its lower half hidden, a reference of the same face, and 200 ms of voice → the face.

Prajwal et al., "A Lip Sync Expert Is All You Need", ACM MM 2020. With the default configuration the state dict has the
names and shapes of the official 96-pixel checkpoints; other widths and sizes are the same family.

What goes in and out (the *crop convention*, the same in training and in ``dubkit.lips``):

* box: the face detector's box, smoothed along the track, with ``BOTTOM_MARGIN`` of its height added below the chin,
  stretched (aspect not kept) to ``size`` × ``size`` with bilinear sampling;
* channels: **BGR** / 255; input 0–2 the frame with rows ``size // 2`` and below set to zero, 3–5 the reference;
* voice: the mel window of ``dubkit.lips.mel`` for that frame (it starts 40 ms before the frame);
* output: BGR in [0, 1], the whole crop; only its lower half is new.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from dubkit.errors import SettingsError
from dubkit.lips.models.blocks import Conv, ConvTranspose, audio_encoder

BOTTOM_MARGIN = 0.06
"""Share of the detector box's height added at its bottom, so that an opening jaw stays inside."""


@dataclass(frozen=True, slots=True)
class Wav2LipConfig:
    """Channels of every stage, from the picture inwards (face, audio) and from the inside out (decoder).

    ``size`` is the crop's edge in pixels: 3 times a product of twos and threes, at least 96 (96, 144, 192, 288, 384).
    ``face`` and ``decoder`` have one entry for the stem or core and one for every halving; sizes above 96 repeat the
    innermost stage. ``composite`` adds a mask to the output: where it is low the network keeps the pixel it was given
    (upper half: the frame; lower half: the reference) instead of painting it. Narrow networks stay sharp that way;
    the official ones do not have it.
    """

    size: int = 96
    face: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 512)
    audio: tuple[int, ...] = (32, 64, 128, 256, 512)
    decoder: tuple[int, ...] = (512, 512, 512, 384, 256, 128, 64)
    output: int = 32
    composite: bool = False

    def __post_init__(self) -> None:
        for name in ("face", "audio", "decoder"):  # lists come back from JSON
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if (len(self.face), len(self.audio), len(self.decoder)) != (7, 5, 7):
            raise SettingsError("a Wav2Lip configuration has 7 face, 5 audio and 7 decoder widths")
        strides(self.size)

    @classmethod
    def of_width(cls, width: int, size: int = 96) -> Wav2LipConfig:
        """The official proportions with ``width`` channels in the first layer (the official one has 16)."""
        return cls(
            size=size,
            face=tuple(width * n for n in (1, 2, 4, 8, 16, 32, 32)),
            audio=tuple(width * n for n in (2, 4, 8, 16, 32)),
            decoder=tuple(width * n for n in (32, 32, 32, 24, 16, 8, 4)),
            output=2 * width,
        )

    def to_dict(self) -> dict:
        """Plain lists and numbers, for meta.json."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def strides(size: int) -> tuple[int, ...]:
    """The halvings that bring ``size`` down to 3 pixels, outermost first; at least five. Raises SettingsError."""
    found, rest = [], size
    for factor in (2, 3):
        while rest > 3 and rest % (3 * factor) == 0:
            found.append(factor)
            rest //= factor
    if rest != 3 or len(found) < 5:
        raise SettingsError(f"no Wav2Lip has crops of {size} pixels; use 96, 144, 192, 288 or 384")
    return tuple(found)


class Wav2Lip(nn.Module):
    """``forward(mel (B, 1, 80, 16), faces (B, 6, S, S)) → (B, 3, S, S)``; or 5-D with T frames: mel (B, T, 1, 80, 16)
    and faces (B, 6, T, S, S) → (B, 3, T, S, S)."""

    def __init__(self, config: Wav2LipConfig = Wav2LipConfig()):
        super().__init__()
        self.config = config
        down = strides(config.size)
        extra = len(down) - 5
        face = config.face[:6] + (config.face[5],) * extra + config.face[6:]
        decoder = config.decoder[:2] + (config.decoder[1],) * extra + config.decoder[2:]
        residuals = (2, 3, 2, 2, 1) + (1,) * extra

        stages = [nn.Sequential(Conv(6, face[0], kernel=7, padding=3))]
        for cin, cout, stride, count in zip(face, face[1:], down, residuals, strict=False):
            tail = [Conv(cout, cout, residual=True) for _ in range(count)]
            stages.append(nn.Sequential(Conv(cin, cout, stride=stride), *tail))
        core = face[-1]
        stages.append(nn.Sequential(Conv(face[-2], core, padding=0), Conv(core, core, kernel=1, padding=0)))
        self.face_encoder_blocks = nn.ModuleList(stages)

        self.audio_encoder = audio_encoder(config.audio, fourth_residuals=1)

        inward = face[::-1]  # the skip connection joined after each decoder stage
        stages = [nn.Sequential(Conv(config.audio[-1], decoder[0], kernel=1, padding=0))]
        joined = decoder[0] + inward[0]
        stages.append(
            nn.Sequential(
                ConvTranspose(joined, decoder[1], stride=1, padding=0, output_padding=0),
                Conv(decoder[1], decoder[1], residual=True),
            )
        )
        for level, stride in enumerate(reversed(down), start=2):
            joined, cout = decoder[level - 1] + inward[level - 1], decoder[level]
            up = ConvTranspose(joined, cout, stride=stride, padding=1 if stride == 2 else 0,
                               output_padding=1 if stride == 2 else 0)  # fmt: skip
            stages.append(nn.Sequential(up, Conv(cout, cout, residual=True), Conv(cout, cout, residual=True)))
        self.face_decoder_blocks = nn.ModuleList(stages)

        channels = 4 if config.composite else 3
        self.output_block = nn.Sequential(
            Conv(decoder[-1] + face[0], config.output), nn.Conv2d(config.output, channels, kernel_size=1), nn.Sigmoid()
        )

        if config.composite:  # start by keeping what is given: most of a face does not move
            with torch.no_grad():
                self.output_block[1].bias[3] = -1.5

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        if faces.dim() == 5:
            batch, _, frames = faces.shape[:3]
            flat = self(mel.flatten(0, 1), faces.transpose(1, 2).flatten(0, 1))
            return flat.unflatten(0, (batch, frames)).transpose(1, 2)
        skips, x = [], faces
        for stage in self.face_encoder_blocks:
            x = stage(x)
            skips.append(x)
        x = self.audio_encoder(mel)
        for stage in self.face_decoder_blocks:
            x = torch.cat((stage(x), skips.pop()), dim=1)
        hidden, last, sigmoid = self.output_block
        painted = sigmoid(last(hidden(x)).float())  # under autocast: bf16 has too few levels for a picture
        if not self.config.composite:
            return painted
        colour, mask = painted[:, :3], painted[:, 3:]
        return mask * colour + (1 - mask) * given_pixels(faces)


def given_pixels(faces: Tensor) -> Tensor:
    """What the network was shown at each pixel: the frame's upper half over the reference's lower half."""
    half = faces.shape[-2] // 2
    return torch.cat((faces[..., :3, :half, :], faces[..., 3:, half:, :]), dim=-2)


def picture_tensor(crops: Tensor) -> Tensor:
    """Crops uint8 (N, S, S, 3) BGR → float (N, 3, S, S) in [0, 1], channels last in memory."""
    return crops.contiguous().permute(0, 3, 1, 2).float().div_(255)


def shown_to_network(real: Tensor, reference: Tensor) -> Tensor:
    """The generator's six channels: the frame without its lower half, and the reference."""
    hidden = real.clone()
    hidden[:, :, real.shape[-2] // 2 :] = 0
    return torch.cat((hidden, reference), dim=1).contiguous(memory_format=torch.channels_last)
