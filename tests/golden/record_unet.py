"""Records the U-Nets of other libraries. Run only when a peer is added.

PYTHONPATH=<segmentation_models_pytorch 0.5.0>:<Pytorch-UNet at 21d7850> python tests/golden/record_unet.py
"""

from __future__ import annotations

from recording import record


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
