"""Changes that papers make to a ResNet: its strides and its dilations. The networks are timm's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn


def is_resnet(network: nn.Module) -> bool:
    """Tell whether the stages of a network of timm are made of the two kinds of blocks of He et al. 2015."""
    return any(_stages(network))


def dilate_first_blocks(network: nn.Module) -> None:
    """Give the first block of each dilated stage the dilation of the others (PSPNet, DeepLab v2), in place.

    In timm and torchvision it has the dilation of the stage before. Networks that are no ResNet stay unchanged.
    """
    for stage in _stages(network):
        _dilate(stage[0], stage[0].dilation)


def multi_grid(network: nn.Module, units: Sequence[int]) -> None:
    """Multiply the dilation of the last stage by a unit rate for each of its blocks (DeepLab v3, 3.2.1), in place.

    Raises:
        ValueError: there are fewer units than blocks in the stage.
    """
    *_, stage = _stages(network)
    if len(stage) > len(units):
        raise ValueError(f"multi_grid is {tuple(units)}: the last stage has {len(stage)} blocks, one unit for each")
    for block, unit in zip(stage, units, strict=False):
        _dilate(block, block.dilation * unit)


def stride_in_first_convolution(network: nn.Module) -> None:
    """Move the stride of each bottleneck from its 3×3 to its first 1×1 convolution (He et al. 2015, Caffe), in place.

    Raises:
        ValueError: the network has basic blocks, which have no such 1×1 convolution.
    """
    for stage in _stages(network):
        first = stage[0]
        if first.conv1.kernel_size != (1, 1):
            raise ValueError("only bottlenecks (resnet50 and deeper) have a 1×1 convolution before their 3×3")
        first.conv1.stride, first.conv2.stride = first.conv2.stride, (1, 1)


def _dilate(block: Any, rate: int) -> None:
    for conv in (block.conv1, block.conv2):
        if conv.kernel_size != (1, 1):
            conv.dilation = conv.padding = (rate, rate)


def _stages(network: nn.Module) -> Iterator[list[Any]]:
    """The blocks of each stage; none for a network that is no ResNet."""
    from timm.models.resnet import BasicBlock, Bottleneck

    for name, module in network.named_children():
        blocks = list(module.children())
        if name.startswith("layer") and isinstance(blocks[0], BasicBlock | Bottleneck):
            yield blocks
