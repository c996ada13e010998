"""The wide layers in forms that a CPU computes faster, fp32, nearly the same numbers.

3×3 convolutions by Winograd's minimal filtering (Lavin & Gray, arXiv 1509.09308): F(4×4, 3×3) makes 4×4 output pixels of 6×6
input pixels with 36 products a channel pair instead of 144, F(2×2, 3×3) 2×2 of 4×4 with 16 instead of 36, and the two changes
of basis are matrix products too.
Transposed convolutions of few pixels as one matrix product whose results are added up where they belong: there the library
spends its time on the weights. Sums are formed in another order, which changes a result by about 1e-5 of the largest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dubkit.lips.models.blocks import Conv, ConvTranspose

FEWEST_CHANNELS, WIDE_CHANNELS, MOST_CHANNELS = 128, 256, 384
"""For Winograd. Below the first the changes of basis cost more than they save. Above the second are the layers of 12×12
pixels, which F(4×4) would give four times the weights; F(2×2) gives them less than twice as many. Above the third even that is 29 MB for
2 % of a film's time."""
FEWEST_TRANSPOSED = 768  # input channels, which the network has where its pictures are at most 6×6
_MOST_TILES = 250  # at once: enough for the products, and less memory than a whole batch

_BASES = {
    4: ([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0],
         [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
        [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
         [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]),
    2: ([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]]),
}  # fmt: skip
"""Edge of an output tile → changes of basis of the input tile, of the kernel, and back to the output tile."""


class WinogradConv(nn.Module):
    """A folded ``Conv`` (3×3, stride 1, padding 1): ``forward(x (B, Cin, H, W)) → (B, Cout, H, W)``, channels-last."""

    def __init__(self, conv: Conv):
        super().__init__()
        layer, self.residual = conv.conv_block[0], conv.residual
        self.out = 2 if max(layer.in_channels, layer.out_channels) > WIDE_CHANNELS else 4  # edges of the tiles, pixels
        self.seen = self.out + 2
        given, kernel, made = (torch.tensor(basis, dtype=torch.float64) for basis in _BASES[self.out])
        plain = layer.weight.detach().permute(2, 3, 1, 0).reshape(9, -1).double()  # (9, Cin · Cout)
        weight = (torch.kron(kernel, kernel) @ plain).float()
        self.register_buffer("weight", weight.view(self.seen**2, layer.in_channels, -1))
        self.register_buffer("bias", layer.bias.detach())
        self.register_buffer("into", torch.kron(given, given).float())
        self.register_buffer("back", torch.kron(made, made).float())

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1)  # (B, H, W, Cin) without a copy
        tiles = -(-rows.shape[1] // self.out) * -(-rows.shape[2] // self.out)  # of a picture
        some = rows.split(max(1, _MOST_TILES // tiles))
        return torch.cat([self._pictures(part) for part in some]).permute(0, 3, 1, 2)

    def _pictures(self, rows: Tensor) -> Tensor:
        (count, height, width, channels), edge, seen = rows.shape, self.out, self.seen
        down, across = -(-height // edge), -(-width // edge)  # tiles
        around = (0, 0, 1, edge * across + 1 - width, 1, edge * down + 1 - height)
        tiles = F.pad(rows, around).unfold(1, seen, edge).unfold(2, seen, edge).permute(4, 5, 0, 1, 2, 3)
        tiles = (self.into @ tiles.reshape(seen**2, -1)).view(seen**2, -1, channels)
        tiles = self.back @ torch.bmm(tiles, self.weight).view(seen**2, -1)
        out = tiles.view(edge, edge, count, down, across, -1).permute(2, 3, 0, 4, 1, 5)
        out = out.reshape(count, down * edge, across * edge, -1)[:, :height, :width].contiguous() + self.bias
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
