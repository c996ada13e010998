"""The wide layers in forms that a CPU computes faster, fp32, nearly the same numbers.

3×3 convolutions by Winograd's minimal filtering F(4×4, 3×3) (Lavin & Gray, arXiv 1509.09308): tiles of 6×6 input pixels give
tiles of 4×4 output pixels with 36 products a channel pair instead of 144, and the two changes of basis are matrix products too.
Transposed convolutions of few pixels as one matrix product whose results are added up where they belong: there the library
spends its time on the weights. Sums are formed in another order, which changes a result by about 1e-5 of the largest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dubkit.lips.models.blocks import Conv, ConvTranspose

FEWEST_CHANNELS, MOST_CHANNELS = 128, 256
"""For Winograd. Below, the changes of basis cost more than they save; above are the layers of few pixels, where four times
the weights are 130 MB for a tenth of the time."""
FEWEST_TRANSPOSED = 768  # input channels, which the network has where its pictures are at most 6×6
_OUT, _IN = 4, 6  # edges of the tiles, pixels
_MOST_TILES = 400  # at once: enough for the products, and less memory than a whole batch

_INPUT = torch.tensor([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0],
                       [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]], dtype=torch.float64)  # fmt: skip
_KERNEL = torch.tensor([[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
                        [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]], dtype=torch.float64)  # fmt: skip
_OUTPUT = torch.tensor([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
                       dtype=torch.float64)  # fmt: skip


class WinogradConv(nn.Module):
    """A folded ``Conv`` (3×3, stride 1, padding 1): ``forward(x (B, Cin, H, W)) → (B, Cout, H, W)``, channels-last."""

    def __init__(self, conv: Conv):
        super().__init__()
        layer, self.residual = conv.conv_block[0], conv.residual
        weight = torch.einsum("ij,ocjk,lk->ilco", _KERNEL, layer.weight.detach().double(), _KERNEL)
        self.register_buffer("weight", weight.reshape(_IN * _IN, layer.in_channels, -1).float().contiguous())
        self.register_buffer("bias", layer.bias.detach())
        self.register_buffer("into", torch.kron(_INPUT, _INPUT).float())
        self.register_buffer("back", torch.kron(_OUTPUT, _OUTPUT).float())

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1)  # (B, H, W, Cin) without a copy
        tiles = -(-rows.shape[1] // _OUT) * -(-rows.shape[2] // _OUT)  # of a picture
        some = rows.split(max(1, _MOST_TILES // tiles))
        return torch.cat([self._pictures(part) for part in some]).permute(0, 3, 1, 2)

    def _pictures(self, rows: Tensor) -> Tensor:
        count, height, width, channels = rows.shape
        down, across = -(-height // _OUT), -(-width // _OUT)  # tiles
        around = (0, 0, 1, _OUT * across + 1 - width, 1, _OUT * down + 1 - height)
        tiles = F.pad(rows, around).unfold(1, _IN, _OUT).unfold(2, _IN, _OUT).permute(4, 5, 0, 1, 2, 3)
        tiles = (self.into @ tiles.reshape(_IN * _IN, -1)).view(_IN * _IN, -1, channels)
        tiles = self.back @ torch.bmm(tiles, self.weight).view(_IN * _IN, -1)
        out = tiles.view(_OUT, _OUT, count, down, across, -1).permute(2, 3, 0, 4, 1, 5)
        out = out.reshape(count, down * _OUT, across * _OUT, -1)[:, :height, :width].contiguous() + self.bias
        if self.residual:
            out += rows
        return out.relu_()


class ProductTranspose(nn.Module):
    """A folded ``ConvTranspose`` of a 3×3 kernel: ``forward(x (B, Cin, H, W)) → (B, Cout, sH, sW)`` for stride s, channels-last."""

    def __init__(self, conv: ConvTranspose):
        super().__init__()
        layer = conv.conv_block[0]
        (self.stride, _), (self.padding, _), (self.more, _) = layer.stride, layer.padding, layer.output_padding
        weight = layer.weight.detach().permute(0, 2, 3, 1)  # (Cin, 3, 3, Cout)
        self.register_buffer("weight", weight.reshape(layer.in_channels, -1).contiguous())
        self.register_buffer("bias", layer.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1)
        count, height, width, channels = rows.shape
        each = (rows.reshape(-1, channels) @ self.weight).view(count, height, width, 3, 3, -1)
        high, wide = (
            self.stride * (edge - 1) + 1 for edge in (height, width)
        )  # rows and columns that one weight reaches
        out = self.bias.expand(count, high + 2 + self.more, wide + 2 + self.more, -1).contiguous()
        for i in range(3):
            for j in range(3):
                out[:, i : i + high : self.stride, j : j + wide : self.stride] += each[:, :, :, i, j]
        inner = out[:, self.padding : out.shape[1] - self.padding, self.padding : out.shape[2] - self.padding]
        return inner.relu().permute(0, 3, 1, 2)


def for_cpu(model: nn.Module) -> nn.Module:
    """The same network, batch norms folded already, with every layer that gains in its faster form. In place."""
    for name, child in model.named_children():
        if isinstance(child, (Conv, ConvTranspose)):
            faster = _faster(child)
            if faster is not None:
                setattr(model, name, faster(child))
        else:
            for_cpu(child)
    return model


def _faster(block: Conv | ConvTranspose) -> type[nn.Module] | None:
    layer = block.conv_block[0]
    if layer.kernel_size != (3, 3):
        return None
    if isinstance(block, ConvTranspose):
        return ProductTranspose if layer.in_channels >= FEWEST_TRANSPOSED else None
    plain = (layer.stride, layer.padding) == ((1, 1), (1, 1))
    fits = FEWEST_CHANNELS <= min(layer.in_channels, layer.out_channels) <= MOST_CHANNELS
    return WinogradConv if plain and fits else None
