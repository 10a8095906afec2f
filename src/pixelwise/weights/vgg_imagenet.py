"""ImageNet weights for VGG16, in Caffe's colours or torchvision's, with fc6 and fc7 read as convolutions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..layers.normalize import IMAGENET_MEAN, IMAGENET_STD
from ..layers.vgg import CAFFE_MEAN, VGG16
from .tensor_files import read_state_dict

FEATURES = tuple(f"features.{number}" for number in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28))
"""Names of the convolutions of the five blocks in torchvision and timm."""

CLASSIFIERS = (("classifier.0", "classifier.3"), ("pre_logits.fc1", "pre_logits.fc2"))
"""Names of fc6 and fc7, in torchvision and in timm."""

SIDES = {"fc6": 7, "fc7": 1}
"""Height and width of the kernels as which the fully connected layers are read."""

PUBLISHED = "vgg16.tv_in1k"
"""timm's name of the weights that it offers, which are torchvision's."""


def load_vgg16(network: VGG16, source: str | os.PathLike[str] | Literal[True] = True) -> None:
    """Fill VGG16 with ImageNet weights; it stays as it is when anything does not fit.

    Where fc6 or fc7 of the network is smaller than the published one, channels and pixels are subsampled evenly
    (DeepLab v1, Section 3.2).

    Args:
        network: to be filled; it sees pixels of 0 to 255 in the order blue, green, red, minus Caffe's mean.
        source: True for timm's weights, or a file with the names of torchvision or of timm. Weights in a file with
            "caffe" in its name (vgg16_from_caffe.pth) fit as they are. Any other file is taken for torchvision's,
            which sees normalised RGB: the first convolution is rewritten to give the same for the same image.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: the weights cannot be downloaded; names the file to bring.
        ValueError: a tensor is missing or does not fit.
    """
    if isinstance(source, bool):
        theirs, file = _download(), PUBLISHED
    else:
        theirs, file = read_state_dict(source), str(source)
    layers = [name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    classifier = next((pair for pair in CLASSIFIERS if f"{pair[0]}.weight" in theirs), CLASSIFIERS[0])
    ours = network.state_dict()
    fitted: dict[str, Tensor] = {}
    for layer, name in zip(layers, (*FEATURES, *classifier), strict=True):
        for kind in ("weight", "bias"):
            fitted[f"{layer}.{kind}"] = _fit(theirs, f"{name}.{kind}", layer, ours[f"{layer}.{kind}"].shape, file)
    if "caffe" not in Path(file).name.lower():
        weight, bias = f"{layers[0]}.weight", f"{layers[0]}.bias"
        fitted[weight], fitted[bias] = recolour(fitted[weight], fitted[bias])
    network.load_state_dict(fitted)


def _fit(theirs: Mapping[str, Any], name: str, layer: str, shape: torch.Size, file: str) -> Tensor:
    """One tensor of a file in the shape that a layer of ours has."""
    tensor = theirs.get(name)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{file} has no {name}: it is not a VGG16 as torchvision or timm names it")
    if layer in SIDES:
        if name.endswith(".weight"):
            tensor = _as_convolution(tensor, SIDES[layer])
        tensor = decimate(tensor, shape)
    if tensor.shape != shape:
        raise ValueError(f"{file}: {name} {tuple(tensor.shape)} does not fit {tuple(shape)}")
    return tensor


def _as_convolution(weight: Tensor, side: int) -> Tensor:
    """Weights of a fully connected layer, (N, D·side·side) → those of a convolution, (N, D, side, side).

    Weights of another length are returned unchanged, for the error that names their shape.
    """
    if weight.numel() % (len(weight) * side * side):
        return weight
    return weight.reshape(len(weight), -1, side, side)


def decimate(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Subsample a tensor evenly along each axis on which it is longer than `shape`."""
    for axis, (length, shorter) in enumerate(zip(tensor.shape, shape, strict=False)):
        if length > shorter:
            tensor = tensor.index_select(axis, torch.linspace(0, length - 1, shorter).round().long())
    return tensor


def recolour(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Rewrite a first convolution for torchvision's colours into one for Caffe's.

    A value x in Caffe's colours is x · scale + shift in torchvision's. The outputs are equal except at the border,
    where the zeros of the padding are another colour.

    Args:
        weight: (D, 3, k, k).
        bias: (D,).

    Returns:
        Weight and bias of the same shapes.
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
