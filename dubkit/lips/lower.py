"""Wav2Lip for inference: batch norms folded away, and only the half that is pasted computed, exactly.

Rows of the upper half are never shown, so the last decoder blocks need only the rows from a little above the middle
down. Each block is given the rows that its wanted output depends on (a *halo* of one row for every 3×3 convolution), and
the rows that the cropped edge has spoilt are dropped. What is kept is equal to the whole computation: 5.98 instead of 7.93
GFLOP a frame for the official network.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dubkit.lips.models.wav2lip import Wav2Lip, given_pixels, strides

CROPPED_BLOCKS = 3


def folded(model: Wav2Lip, in_place: bool = False) -> Wav2Lip:
    """The network in evaluation mode with batch norms that are part of the convolutions before them: the same numbers, less
    work. A copy, unless ``in_place``."""
    model = (model if in_place else copy.deepcopy(model)).eval()
    for module in model.modules():
        block = getattr(module, "conv_block", None)
        if isinstance(block, nn.Sequential) and len(block) == 2 and isinstance(block[1], nn.BatchNorm2d):
            transposed = isinstance(block[0], nn.ConvTranspose2d)
            module.conv_block = nn.Sequential(fuse_conv_bn_eval(block[0], block[1], transpose=transposed))
    return model


class LowerHalf(nn.Module):
    """``forward(mel (B, 1, 80, 16), faces (B, 6, S, S)) → (B, 3, S/2, S)``: the lower half of what ``model`` gives. ``dense``:
    rows that go into a layer are copied, for a device that reads parts of tensors wrongly."""

    def __init__(self, model: Wav2Lip, dense: bool = False):
        super().__init__()
        self.model, self.dense = model, dense
        self.half = model.config.size // 2
        self.crops = _crop_plan(model.config.size)

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        model = self.model
        skips, x = [], faces
        for stage in model.face_encoder_blocks:
            x = stage(x)
            skips.append(x)
        x = model.audio_encoder(mel)
        whole = len(model.face_decoder_blocks) - CROPPED_BLOCKS
        for stage in model.face_decoder_blocks[:whole]:
            x = torch.cat((stage(x), skips.pop()), dim=1)
        top = 0  # row of the whole picture that x begins with
        for stage, (first, stride, keep) in zip(model.face_decoder_blocks[whole:], self.crops, strict=True):
            x = stage(self._rows(x, first - top))[:, :, keep - first * stride :]
            x = torch.cat((x, skips.pop()[:, :, keep:]), dim=1)
            top = keep
        x = self._rows(model.output_block[0](x), self.half - top)
        painted = model.output_block[2](model.output_block[1](x.to(model.output_block[1].weight.dtype)))
        if not model.config.composite:
            return painted
        colour, mask = painted[:, :3], painted[:, 3:]
        return mask * colour + (1 - mask) * given_pixels(faces)[:, :, self.half :]

    def _rows(self, x: Tensor, first: int) -> Tensor:
        return x[:, :, first:].contiguous() if self.dense else x[:, :, first:]


def _crop_plan(size: int) -> list[tuple[int, int, int]]:
    """For the last decoder blocks, outermost last: (first input row, stride, first output row kept)."""
    plan = []
    needed = size // 2 - 1  # the output convolution looks one row up
    for stride in strides(size)[:CROPPED_BLOCKS]:
        first = max(0, (needed - 2) // stride)  # two 3×3 convolutions look two rows up
        plan.append((first, stride, needed))
        needed = first
    return plan[::-1]
