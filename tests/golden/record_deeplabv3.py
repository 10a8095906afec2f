"""Records the DeepLabs v3 of other libraries. Run only when a peer is added.

PYTHONPATH=<segmentation_models_pytorch 0.5.0>:<DeepLabV3Plus-Pytorch> python tests/golden/record_deeplabv3.py
"""

from __future__ import annotations

from recording import record
from torch import Tensor, nn


def both(network: nn.Module, picture: Tensor) -> list[Tensor]:
    """The logits of torchvision's network and those of its auxiliary head."""
    outputs = network(picture)
    return [outputs["out"], outputs["aux"]]


def main() -> None:
    from torchvision.models import segmentation

    for backbone, stride in (("resnet50", 8), ("mobilenet_v3_large", 16)):
        record(
            f"torchvision_deeplabv3_{backbone}",
            "torchvision",
            {
                "name": "deeplabv3",
                "num_classes": 21,
                "variant": "torchvision",
                "backbone": backbone,
                "output_stride": stride,
                "auxiliary": True,
            },
            getattr(segmentation, f"deeplabv3_{backbone}")(
                weights=None, weights_backbone=None, num_classes=21, aux_loss=True
            ),
            call=both,
        )


if __name__ == "__main__":
    main()
