"""Records the PSPNets of other libraries. Run only when a peer is added.

PYTHONPATH=<segmentation_models_pytorch 0.5.0>:<hszhao/semseg at 4f274c3> python tests/golden/record_pspnet.py
"""

from __future__ import annotations

import torch.nn.functional as F
from recording import record
from torch import Tensor, nn


def both(network: nn.Module, image: Tensor) -> list[Tensor]:
    """Semseg's logits, and those of its auxiliary classifier, which the network itself only gives to its loss."""
    seen: list[Tensor] = []
    hook = network.layer3.register_forward_hook(lambda _, __, output: seen.append(output))
    logits = network(image)
    hook.remove()
    auxiliary = network.aux(seen[0])
    return [logits, F.interpolate(auxiliary, image.shape[2:], mode="bilinear", align_corners=True)]


def main() -> None:
    import segmentation_models_pytorch as smp
    from model.pspnet import PSPNet

    record(
        "semseg_pspnet50",
        "semseg",
        {"name": "pspnet", "num_classes": 3},
        PSPNet(layers=50, classes=3, pretrained=False),
        sizes=((89, 89), (97, 121)),
        call=both,
    )
    for encoder in ("resnet34", "tu-tf_efficientnet_lite0"):
        network = smp.PSPNet(encoder, encoder_weights=None, classes=3)
        record(
            f"smp_pspnet_{encoder}",
            "smp",
            {"name": "pspnet", "num_classes": 3, "variant": "smp", "backbone": encoder.removeprefix("tu-")},
            network,
            sizes=((64, 96), (104, 72)),
            unused=[name for name in network.state_dict() if name.startswith(("encoder.layer3.", "encoder.layer4."))],
        )


if __name__ == "__main__":
    main()
