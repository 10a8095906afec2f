"""Records what other libraries' networks give, for the tests of `load_weights`. Run only when a peer is added.

    PYTHONPATH=<segmentation_models_pytorch 0.5.0>:<Pytorch-UNet at 21d7850> python tests/golden/record_parity.py

Each peer is filled by the rule in filling.py and shown a picture of 97×131 pixels (an odd size on purpose).
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from filling import fill, picture, sixteen
from torch import nn

SIZES = ((97, 131), (64, 96))


def record(name: str, layout: str, arguments: dict[str, object], network: nn.Module) -> None:
    fill(network)
    with torch.no_grad():
        outputs = {f"{h}x{w}": sixteen(network(picture(h, w))) for h, w in SIZES}
    found = {
        "layout": layout,
        "create": arguments,
        "outputs": outputs,
        "shapes": {key: list(value.shape) for key, value in network.state_dict().items()},
    }
    path = Path(__file__).with_name(f"parity_{name}.json")
    path.write_text(json.dumps(found, separators=(",", ":")) + "\n", "utf-8")
    print(f"{path.name}: {len(found['shapes'])} tensors, {outputs}")


def main() -> None:
    import segmentation_models_pytorch as smp
    from unet import UNet

    for bilinear in (False, True):
        record(
            f"milesial_{'bilinear' if bilinear else 'transposed'}",
            "milesial",
            {"name": "unet_padded", "num_classes": 3, "bilinear": bilinear},
            UNet(3, 3, bilinear),
        )
    for encoder in ("resnet18", "resnet50", "tu-tf_efficientnet_lite0", "tu-convnext_atto"):
        record(
            f"smp_{encoder}",
            "smp",
            {"name": "unet", "num_classes": 3, "backbone": encoder.removeprefix("tu-")},
            smp.Unet(encoder, encoder_weights=None, classes=3),
        )


if __name__ == "__main__":
    main()
