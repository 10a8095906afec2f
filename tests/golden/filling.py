"""The fixed rule that fills a network: a value for each parameter's name, the same in every peer."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn


def tensor(name: str, shape: Sequence[int]) -> Tensor:
    """Numbers that depend on the name alone, of a size that keeps deep networks tame and lets each tensor count."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    draw = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).random(tuple(shape)) * 2 - 1
    if name.endswith("running_var"):
        draw = 1 + draw / 2
    elif len(shape) > 1:
        draw *= math.sqrt(4.5 / math.prod(shape[1:]))
    else:
        draw = (1 if name.endswith("weight") else 0) + draw / 5
    return torch.from_numpy(draw).float()


def state_dict(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """A filled state dict of these names and shapes."""
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def fill(network: nn.Module) -> nn.Module:
    """The network, filled by the rule, in `eval()`."""
    network.load_state_dict(state_dict({name: value.shape for name, value in network.state_dict().items()}))
    return network.eval()


def make_image(height: int, width: int) -> Tensor:
    """(1, 3, H, W) in [0, 1]: waves, and a little noise."""
    y, x = torch.meshgrid(torch.arange(height) / 9, torch.arange(width) / 7, indexing="ij")
    waves = torch.stack([torch.sin(x + y), torch.cos(x - 2 * y), torch.sin(3 * x)]) * 0.4 + 0.5
    return (waves + (tensor("noise", waves.shape) * 0.05)).clamp(0, 1)[None]


def sixteen(logits: Tensor) -> list[float]:
    """Sixteen numbers of an output, evenly spread."""
    flat = logits.detach().flatten()
    return [round(float(v), 6) for v in flat[torch.linspace(0, len(flat) - 1, 16).long()]]
