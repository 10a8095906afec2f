"""Records the DeepLabs v3 and v3+ of other libraries. Run only when a peer is added.

PYTHONPATH=<segmentation_models_pytorch 0.5.0>:<DeepLabV3Plus-Pytorch at 4e1087d> python record_deeplabv3.py
"""

from __future__ import annotations

from typing import Any

from recording import record
from torch import Tensor, nn


def of(name: str, **arguments: Any) -> dict[str, Any]:
    """Arguments of `pixelwise.create`."""
    return {"name": name, "num_classes": 21, **arguments}


def both(network: nn.Module, image: Tensor) -> list[Tensor]:
    """The logits of torchvision's network and those of its auxiliary head."""
    outputs = network(image)
    return [outputs["out"], outputs["aux"]]


def torchvision() -> None:
    from torchvision.models import segmentation

    nothing = {"weights": None, "weights_backbone": None}
    for backbone, stride in (("resnet50", 8), ("mobilenet_v3_large", 16)):
        record(
            f"torchvision_deeplabv3_{backbone}",
            "torchvision",
            of("deeplabv3", variant="torchvision", backbone=backbone, output_stride=stride, auxiliary=True),
            getattr(segmentation, f"deeplabv3_{backbone}")(**nothing, num_classes=21, aux_loss=True),
            call=both,
        )


def vainf() -> None:
    from network import modeling

    for name, theirs, ours, stride in (
        ("deeplabv3", "mobilenet", "mobilenetv2_100", 8),
        ("deeplabv3", "resnet50", "resnet50", 16),
        ("deeplabv3plus", "mobilenet", "mobilenetv2_100", 16),
        ("deeplabv3plus", "resnet50", "resnet50", 8),
    ):
        record(
            f"vainf_{name}_{theirs}",
            "vainf",
            of(name, variant="vainf", backbone=ours, output_stride=stride),
            getattr(modeling, f"{name}_{theirs}")(num_classes=21, output_stride=stride, pretrained_backbone=False),
        )


def smp() -> None:
    import segmentation_models_pytorch as smp

    for name, kind, encoder, stride in (
        ("deeplabv3", smp.DeepLabV3, "resnet50", 8),
        ("deeplabv3plus", smp.DeepLabV3Plus, "resnet18", 16),
        ("deeplabv3plus", smp.DeepLabV3Plus, "tu-tf_efficientnet_lite0", 8),
    ):
        record(
            f"smp_{name}_{encoder}",
            "smp",
            of(name, variant="smp", backbone=encoder.removeprefix("tu-"), output_stride=stride),
            kind(encoder, encoder_weights=None, classes=21, encoder_output_stride=stride),
            sizes=[(64, 96), (112, 80)],  # theirs takes multiples of the output stride only
        )


if __name__ == "__main__":
    torchvision()
    vainf()
    smp()
