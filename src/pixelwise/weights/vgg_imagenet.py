"""ImageNet weights of VGG16, in Caffe's colours or in torchvision's, where fc6 and fc7 are convolutions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..layers.normalize import IMAGENET_MEAN, IMAGENET_STD
from ..layers.vgg import CAFFE_MEAN, VGG16
from .tensor_files import read_state_dict

FEATURES = tuple(f"features.{number}" for number in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28))
"""What torchvision and timm call the convolutions of the blocks."""

CLASSIFIERS = (("classifier.0", "classifier.3"), ("pre_logits.fc1", "pre_logits.fc2"))
"""What torchvision and what timm calls fc6 and fc7."""

SIDES = {"fc6": 7, "fc7": 1}
"""Height and width of the kernels that the fully connected layers are read as."""

PUBLISHED = "vgg16.tv_in1k"
"""The weights that timm offers: torchvision's."""


def load_vgg16(network: VGG16, source: str | os.PathLike[str] | Literal[True] = True) -> None:
    """Fill VGG16 with ImageNet weights; it stays as it is when anything does not fit.

    A smaller fc6 or fc7 takes every so many channels and pixels of the published one (DeepLab v1, Section 3.2).

    Args:
        network: to be filled; it sees bytes in the order blue, green, red, less Caffe's mean.
        source: True for timm's weights, or a file with the names of torchvision or of timm. One with "caffe" in its
            name (vgg16_from_caffe.pth) fits as it is; any other is taken for torchvision's, which see RGB from 0 to 1,
            normalised: its first convolution is rewritten, so that it gives the same for the same image.

    Raises:
        FileNotFoundError: the file is not there.
        OSError: the weights cannot be downloaded; names the file to bring.
        ValueError: a tensor is missing or does not fit.
    """
    theirs, file = (_download(), PUBLISHED) if isinstance(source, bool) else (read_state_dict(source), str(source))
    ours = network.state_dict()
    layers = [name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    classifier = next((pair for pair in CLASSIFIERS if f"{pair[0]}.weight" in theirs), CLASSIFIERS[0])
    found: dict[str, Tensor] = {}
    for layer, name in zip(layers, (*FEATURES, *classifier), strict=True):
        for kind in ("weight", "bias"):
            tensor, wanted = theirs.get(f"{name}.{kind}"), ours[f"{layer}.{kind}"].shape
            if not isinstance(tensor, Tensor):
                raise ValueError(f"{file} has no {name}.{kind}: it is not a VGG16 as torchvision or timm names it")
            if layer in SIDES:
                tensor = decimated(_spatial(tensor, SIDES[layer]) if kind == "weight" else tensor, wanted)
            if tensor.shape != wanted:
                raise ValueError(f"{file}: {name}.{kind} {tuple(tensor.shape)} does not fit {tuple(wanted)}")
            found[f"{layer}.{kind}"] = tensor
    if "caffe" not in Path(file).name.lower():
        first = f"{layers[0]}.weight", f"{layers[0]}.bias"
        found.update(zip(first, recoloured(*(found[name] for name in first)), strict=True))
    network.load_state_dict(found)


def _spatial(weight: Tensor, side: int) -> Tensor:
    """Weights of a fully connected layer, (N, D·side·side), as those of a convolution, (N, D, side, side)."""
    return weight if weight.numel() % (len(weight) * side * side) else weight.reshape(len(weight), -1, side, side)


def decimated(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """The tensor, evenly picked from along each axis on which it is longer than `shape`."""
    for axis, (length, wanted) in enumerate(zip(tensor.shape, shape, strict=False)):
        if length > wanted:
            tensor = tensor.index_select(axis, torch.linspace(0, length - 1, wanted).round().long())
    return tensor


def recoloured(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """A first convolution of torchvision's colours for Caffe's: (D, 3, k, k), (D,) → the same shapes.

    What one sees as x is (x · scale + shift) to the other; only the padding around the image is of another colour.
    """
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    scale = 1 / (255 * std)
    shift = (torch.tensor(CAFFE_MEAN).flip(0) / 255 - mean) / std
    return (weight * scale.view(3, 1, 1)).flip(1), bias + (weight.sum((2, 3)) * shift).sum(1)


def _download() -> dict[str, Any]:
    import timm

    try:
        return dict(timm.create_model(PUBLISHED, pretrained=True).state_dict())
    except OSError as error:
        raise OSError(
            f"cannot download the weights of VGG16 ({type(error).__name__}): bring the file from "
            f"https://huggingface.co/timm/{PUBLISHED} (model.safetensors), torchvision's vgg16-397923af.pth or "
            "vgg16_from_caffe.pth, and give its path as pretrained=…; or use a backbone of timm"
        ) from error
