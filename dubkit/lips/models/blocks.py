"""The three layers all Wav2Lip networks are built of. Attribute names follow the official checkpoints."""

from __future__ import annotations

from torch import Tensor, nn


class Conv(nn.Module):
    """Convolution, batch norm, ReLU; with ``residual`` the input is added before the ReLU."""

    def __init__(self, cin: int, cout: int, kernel=3, stride=1, padding=1, residual: bool = False):
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, padding), nn.BatchNorm2d(cout))
        self.act = nn.ReLU()
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv_block(x)
        return self.act(out + x if self.residual else out)


class ConvTranspose(nn.Module):
    """Transposed convolution, batch norm, ReLU: the upsampling step of the decoders."""

    def __init__(self, cin: int, cout: int, kernel=3, stride=2, padding=1, output_padding=1):
        super().__init__()
        transposed = nn.ConvTranspose2d(cin, cout, kernel, stride, padding, output_padding)
        self.conv_block = nn.Sequential(transposed, nn.BatchNorm2d(cout))
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv_block(x))


class PlainConv(nn.Module):
    """Convolution and leaky ReLU without a norm: the discriminators."""

    def __init__(self, cin: int, cout: int, kernel=3, stride=1, padding=1):
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, padding))
        self.act = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv_block(x))


def audio_encoder(channels: tuple[int, int, int, int, int], fourth_residuals: int) -> nn.Sequential:
    """Mel window (B, 1, 80, 16) → (B, channels[-1], 1, 1). The expert has two residual layers in the fourth group,
    the generator one; all else is common."""
    a, b, c, d, e = channels
    layers = [Conv(1, a), Conv(a, a, residual=True), Conv(a, a, residual=True)]
    layers += [Conv(a, b, stride=(3, 1)), Conv(b, b, residual=True), Conv(b, b, residual=True)]
    layers += [Conv(b, c, stride=3), Conv(c, c, residual=True), Conv(c, c, residual=True)]
    layers += [Conv(c, d, stride=(3, 2))] + [Conv(d, d, residual=True) for _ in range(fourth_residuals)]
    layers += [Conv(d, e, padding=0), Conv(e, e, kernel=1, padding=0)]
    return nn.Sequential(*layers)
