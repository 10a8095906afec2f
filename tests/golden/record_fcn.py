"""Records the FCNs of other libraries. Run only when a peer is added.

PYTHONPATH=<a folder with an empty fcn.py>:<the folder torchfcn of pytorch-fcn> python tests/golden/record_fcn.py

The networks of pytorch-fcn are made an eighth as wide, and their upsampling kernels are anything but bilinear.
"""

from __future__ import annotations

from recording import SIZES, record
from torch import Tensor, nn

NARROWER = 8


def main() -> None:
    from torchvision.models.segmentation import fcn_resnet50, fcn_resnet101

    from models import FCN8s, FCN8sAtOnce, FCN16s, FCN32s

    for name, model, peer in (
        ("fcn32s", "fcn32s", FCN32s),
        ("fcn16s", "fcn16s", FCN16s),
        ("fcn8s", "fcn8s", FCN8s),
        ("fcn8s-atonce", "fcn8s", FCN8sAtOnce),
    ):
        create = {"name": model, "num_classes": 3, "learned": True, "width": 64 // NARROWER}
        record(
            f"wkentaro_{name}",
            "wkentaro",
            {**create, **({"at_once": True} if peer is FCN8sAtOnce else {})},
            narrow(peer(3)),
        )
    for backbone, make, sizes in (("resnet50", fcn_resnet50, SIZES), ("resnet101", fcn_resnet101, [(33, 45)])):
        record(
            f"torchvision_fcn_{backbone}",
            "torchvision",
            {"name": "fcn_resnet", "num_classes": 3, "backbone": backbone},
            make(weights=None, weights_backbone=None, num_classes=3, aux_loss=True),
            sizes,
            both,
        )


def narrow(network: nn.Module) -> nn.Module:
    """The network with fewer channels in every convolution but the scores'."""
    for name, layer in network.named_children():
        if isinstance(layer, nn.Conv2d):
            inside = layer.in_channels if name == "conv1_1" else layer.in_channels // NARROWER
            outside = layer.out_channels if name.startswith("score") else layer.out_channels // NARROWER
            setattr(network, name, nn.Conv2d(inside, outside, layer.kernel_size, layer.stride, layer.padding))
    return network


def both(network: nn.Module, image: Tensor) -> list[Tensor]:
    """The logits of the classifier and of the auxiliary one."""
    outputs = network(image)
    return [outputs["out"], outputs["aux"]]


if __name__ == "__main__":
    main()
