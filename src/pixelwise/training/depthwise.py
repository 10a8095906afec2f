"""Depthwise convolutions that stay in float32 while the rest of a network runs in bfloat16 on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def keep_depthwise_float(model: nn.Module) -> None:
    """Let the convolutions of a model that treat each channel by itself leave a CPU's autocast.

    oneDNN's backward pass of these is 3 to 15 times slower in bfloat16 than in float32 (measured on an AVX-512 BF16
    processor, channels last), and they are a small part of the arithmetic; the result is cast back. Lasts as long as
    the model; changes neither its parameters nor its state dict.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1:
            excursion = _Excursion()
            layer.register_forward_pre_hook(excursion.begin)
            layer.register_forward_hook(excursion.end, always_call=True)


class _Excursion:
    """Out of autocast before a layer, and back after it, also when it fails."""

    def __init__(self) -> None:
        self.under_way = False

    def begin(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not torch.is_autocast_enabled("cpu"):
            return None
        self.under_way = True
        torch.set_autocast_enabled("cpu", False)
        return tuple(value.float() for value in inputs)

    def end(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | None) -> Tensor | None:
        if not self.under_way:
            return None
        self.under_way = False
        torch.set_autocast_enabled("cpu", True)
        return None if output is None else output.to(torch.get_autocast_dtype("cpu"))
