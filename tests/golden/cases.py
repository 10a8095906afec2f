"""The models that the contract and the golden outputs go through: all of MODELS, small where a model can be."""

from __future__ import annotations

from typing import Any

import pixelwise
from pixelwise.models import MODELS
from pixelwise.models.base import Model

SMALL: dict[str, list[dict[str, Any]]] = {
    "deeplabv1": [
        {"width": 4},
        {"width": 4, "multiscale": True},
        {"backbone": "tf_efficientnet_lite0", "width": 4, "multiscale": True},
    ],
    "deeplabv2": [{"backbone": "resnet18"}, {"backbone": "tf_efficientnet_lite0", "scales": (0.5,)}],
    "fcn16s": [{"width": 2}],
    "fcn32s": [{"width": 2}],
    "fcn8s": [{"width": 2}, {"width": 2, "learned": True, "at_once": True}, {"backbone": "tf_efficientnet_lite0"}],
    "fcn_resnet": [
        {"backbone": "resnet18"},
        {"backbone": "tf_efficientnet_lite0", "auxiliary": False, "output_stride": 16},
    ],
    "deeplabv3": [
        {"backbone": "resnet18", "width": 32},
        {"backbone": "resnet18", "width": 32, "variant": "torchvision", "auxiliary": True},
        {"backbone": "tf_efficientnet_lite0", "width": 32, "variant": "smp", "output_stride": 16},
    ],
    "deeplabv3plus": [
        {"backbone": "resnet18", "width": 32, "output_stride": 8, "auxiliary": True},
        {"backbone": "mobilenetv2_100", "width": 32, "variant": "vainf"},
        {"backbone": "tf_efficientnet_lite0", "width": 32, "separable": True},
    ],
    "mask_rcnn": [
        {"backbone": "resnet18", "width": 16, "anchors": (8, 16, 32, 64, 128)},
        {"backbone": "tf_efficientnet_lite0", "width": 16, "variant": "torchvision_v2", "class_agnostic": True},
    ],
    "panoptic_fpn": [
        {"things": [1, 2], "backbone": "resnet18", "width": 16, "anchors": (8, 16, 32, 64, 128)},
        {"things": [1, 2], "backbone": "tf_efficientnet_lite0", "width": 16, "variant": "torchvision_v2"},
    ],
    "pspnet": [
        {"backbone": "resnet18"},
        {"backbone": "tf_efficientnet_lite0", "output_stride": 16},
        {"backbone": "resnet18", "variant": "smp"},
    ],
    "solo": [{"backbone": "tf_efficientnet_lite0", "convs": 1, "width": 32}],
    "decoupled_solo": [
        {"backbone": "tf_efficientnet_lite0", "convs": 1, "width": 32},
        {"backbone": "resnet18", "convs": 1, "width": 32, "shared": True},
    ],
    "solov2": [{"backbone": "resnet18", "convs": 1, "width": 32, "features": 32, "pyramid": 32}],
    "unet": [
        {"width": 8},
        {"width": 8, "in_channels": 1},
        {"backbone": "resnet18", "width": 16},
        {"backbone": "tf_efficientnet_lite0", "width": 16},
    ],
    "yolact": [
        {"backbone": "resnet18", "size": 64},
        {"backbone": "tf_efficientnet_lite0", "variant": "authors", "size": 64, "prototypes": 8},
    ],
    "unet_padded": [{"width": 8}, {"width": 8, "bilinear": True}],
}
"""Arguments for speed, and the variants worth a test; a model that is not here is made with its defaults."""

CASES = {
    " ".join([name, *(f"{key}={value}" for key, value in arguments.items())]): (name, arguments)
    for name in MODELS
    for arguments in SMALL.get(name, [{}])
}


def make(case: str) -> Model:
    """A new model of three classes."""
    name, arguments = CASES[case]
    return pixelwise.create(name, num_classes=3, **arguments)
