"""Depthwise convolutions that stay in float32 while the rest of a network runs in bfloat16 on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def keep_depthwise_float(model: nn.Module) -> None:
    """Exclude the depthwise convolutions of a model from autocast on a CPU.

    oneDNN's backward pass of these is 3 to 15 times slower in bfloat16 than in float32 (measured on an AVX-512 BF16
    processor, channels last), and they are a small part of the arithmetic. The result is cast back to bfloat16. The
    hooks stay as long as the model; they change neither its parameters nor its state dict.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1:
            detour = _FloatDetour()
            layer.register_forward_pre_hook(detour.enter)
            layer.register_forward_hook(detour.leave, always_call=True)


class _FloatDetour:
    """Leaves autocast before a layer and enters it again after it, also when the layer fails."""

    def __init__(self) -> None:
        self.active = False

    def enter(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not torch.is_autocast_enabled("cpu"):
            return None
        self.active = True
        torch.set_autocast_enabled("cpu", False)
        return tuple(value.float() for value in inputs)

    def leave(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | None) -> Tensor | None:
        if not self.active:
            return None
        self.active = False
        torch.set_autocast_enabled("cpu", True)
        return None if output is None else output.to(torch.get_autocast_dtype("cpu"))
