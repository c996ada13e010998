"""A device that no machine has: its tensors have shapes and types but no numbers, and mixing them with tensors of the CPU is an
error, as it is on a GPU. So a tensor that was left on the CPU is found without one.

It is PyTorch's device "meta", made stricter (alone it lets convolutions and matrix products mix) and readable (what comes
back to the CPU is zeros, and every condition holds). Kernels, their rounding and their memory are not tried: that takes the
device itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ELSEWHERE = "meta"
_ATEN = torch.ops.aten
_BY_INDEX = (_ATEN.index, _ATEN.index_put_, _ATEN._index_put_impl_)  # indices may lie on the CPU, as on CUDA


class Elsewhere(TorchDispatchMode):
    """While it is entered, ``ELSEWHERE`` behaves like a GPU. ``read`` counts what came back to the CPU: each is a wait for the
    device."""

    def __init__(self):
        super().__init__()
        self.read = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs, operation = kwargs or {}, func.overloadpacket
        with self:  # in inference mode operations come whole that are made of others
            made = func.decompose(*args, **kwargs)
        if made is not NotImplemented:
            return made
        if operation is _ATEN._local_scalar_dense and args[0].is_meta:
            self.read += 1
            return torch.ones((), dtype=args[0].dtype).item()
        if (
            operation is _ATEN._to_copy
            and args[0].is_meta
            and torch.device(kwargs.get("device", ELSEWHERE)).type == "cpu"
        ):
            self.read += 1
            return torch.zeros_like(args[0], device="cpu", dtype=kwargs.get("dtype") or args[0].dtype)
        if operation not in (_ATEN._to_copy, _ATEN.copy_):
            given = [tensor for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor) and tensor.dim()]
            if operation in _BY_INDEX and args[0].is_meta:
                given = [args[0], *args[2:3]]
            if len({tensor.is_meta for tensor in given}) > 1:
                devices = [f"{tuple(tensor.shape)} on the {'device' if tensor.is_meta else 'CPU'}" for tensor in given]
                raise AssertionError(f"{func} of tensors on two devices: {', '.join(devices)}")
        return func(*args, **kwargs)
