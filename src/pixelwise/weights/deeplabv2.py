"""What other libraries call the tensors of DeepLab v2."""

from __future__ import annotations

from .table import Table

_BLOCKS = {2: 3, 3: 4, 4: 23, 5: 3}  # of each stage, counted from the stem, which is their layer1
_PARTS = {
    "reduce.conv.": "conv1.",
    "reduce.bn.": "bn1.",
    "conv3x3.conv.": "conv2.",
    "conv3x3.bn.": "bn2.",
    "increase.conv.": "conv3.",
    "increase.bn.": "bn3.",
    "shortcut.conv.": "downsample.0.",
    "shortcut.bn.": "downsample.1.",
}

KAZUTO1011 = Table(
    architecture="deeplabv2",
    made_by="pixelwise.create('deeplabv2', num_classes=…), num_classes the length of base.aspp.c0.bias",
    prefixes={
        "base.layer1.conv1.conv.": "backbone.net.conv1.",
        "base.layer1.conv1.bn.": "backbone.net.bn1.",
        **{
            f"base.layer{stage}.block{block + 1}.{theirs}": f"backbone.net.layer{stage - 1}.{block}.{ours}"
            for stage, blocks in _BLOCKS.items()
            for block in range(blocks)
            for theirs, ours in _PARTS.items()
        },
        **{f"base.aspp.c{n}.": f"head.branches.{n}." for n in range(4)},
    },
    dropped={},
    demands={"backbone": None},
)
"""deeplab-pytorch by kazuto1011: ResNet-101 at several scales. Their DeepLabV2S has rates=(3, 6, 9, 12)."""
