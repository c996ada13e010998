"""The faster forms of wide layers give the layers' own numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dubkit.lips.cpu_layers import ProductTranspose, WinogradConv, for_cpu
from dubkit.lips.lower import folded
from dubkit.lips.models.blocks import Conv, ConvTranspose
from dubkit.lips.models.wav2lip import Wav2Lip


def trained(block: nn.Module) -> nn.Module:
    """The block with batch norms that do something, folded."""
    torch.manual_seed(1)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    return folded(nn.Sequential(block))[0]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("size", [(4, 4), (12, 12), (6, 5), (1, 3), (16, 24)])
@pytest.mark.parametrize("channels, tile", [(128, 4), (272, 2)])
def test_winograd_is_the_convolution(channels, tile, size, residual):
    block = trained(Conv(channels, channels, residual=residual))
    assert WinogradConv(block).out == tile
    x = torch.randn(2, channels, *size).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        plain, fast = block(x), WinogradConv(block)(x)
    assert fast.shape == plain.shape and fast.is_contiguous(memory_format=torch.channels_last)
    assert (fast - plain).abs().max() <= 2e-5 * plain.abs().max()


@pytest.mark.parametrize("size, how", [((1, 1), {"stride": 1, "padding": 0, "output_padding": 0}), ((3, 3), {}),
                                       ((5, 6), {}), ((3, 3), {"output_padding": 0})])  # fmt: skip
def test_the_product_is_the_transposed_convolution(size, how):
    block = trained(ConvTranspose(768, 64, **how))
    x = torch.randn(2, 768, *size)
    with torch.inference_mode():
        plain, fast = block(x), ProductTranspose(block)(x)
    assert fast.shape == plain.shape
    assert (fast - plain).abs().max() <= 2e-5 * plain.abs().max()


def test_the_wide_layers_of_the_official_network_are_exchanged_and_its_picture_stays():
    torch.manual_seed(0)
    model = trained(Wav2Lip())
    last = model.output_block[1]  # random networks paint grey; this one uses the whole range
    last.weight.data *= 40
    mel, faces = torch.randn(2, 1, 80, 16), torch.rand(2, 6, 96, 96)
    with torch.inference_mode():
        plain = model(mel, faces)
        fast = for_cpu(model)(mel, faces)
    kinds = [type(module) for module in model.modules()]
    assert kinds.count(WinogradConv) >= 6 and kinds.count(ProductTranspose) == 3
    assert plain.std() > 0.05 and (fast - plain).abs().max() <= 1e-4
