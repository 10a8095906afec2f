"""Records the DeepLab v2 of another library. Run only when a peer is added.

PYTHONPATH=<kazuto1011/deeplab-pytorch at 4219a46> python tests/golden/record_deeplabv2.py
"""

from __future__ import annotations

import torch.nn.functional as F
from recording import record
from torch import Tensor, nn


def outputs(network: nn.Module, image: Tensor) -> list[Tensor]:
    """The fused logits at the size of the image, as their test makes them; then those that they train."""
    fused = F.interpolate(network(image), image.shape[-2:], mode="bilinear", align_corners=False)
    network.training = True  # its parts stay in eval()
    trained = network(image)
    network.eval()
    return [fused, *trained]


def main() -> None:
    from libs.models import DeepLabV2_ResNet101_MSC

    record(
        "kazuto1011_deeplabv2",
        "kazuto1011",
        {"name": "deeplabv2", "num_classes": 21},
        DeepLabV2_ResNet101_MSC(21),
        sizes=((97, 129), (161, 161)),
        call=outputs,
    )


if __name__ == "__main__":
    main()
