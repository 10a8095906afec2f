"""What some papers change in a ResNet: where it strides, and where it dilates. The networks are timm's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn


def dilate_first_blocks(network: nn.Module) -> None:
    """Give the first block of each dilated stage the dilation of the others (PSPNet, DeepLab v2), in place.

    timm and torchvision leave it at that of the stage before.
    """
    for stage in _stages(network):
        first, *rest = stage
        if rest:
            first.conv2.dilation = first.conv2.padding = rest[0].conv2.dilation


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


def _stages(network: nn.Module) -> Iterator[list[Any]]:
    """The blocks of each stage."""
    for name, module in network.named_children():
        if name.startswith("layer"):
            yield list(module.children())
