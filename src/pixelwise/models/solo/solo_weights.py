"""What the authors of SOLO, and those of mmdetection, call the tensors of the three SOLOs."""

from __future__ import annotations

from collections.abc import Mapping

from ...ops.rename_table import Table

_MOST_CONVS = 7
_DEFORMABLE = "ResNets without deformable convolutions (the files whose names have no DCN)"

_SHARED = {
    "backbone.": "backbone.net.",
    **{
        f"neck.{theirs}_convs.{n}.conv.": f"fpn.{ours}.{n}."
        for n in range(4)
        for theirs, ours in (("lateral", "lateral"), ("fpn", "output"))
    },
}


def _tower(theirs: str, ours: str) -> dict[str, str]:
    """The convolutions of a branch."""
    return {
        f"{theirs}.{n}.{name}.": f"{ours}.{n}.{place}."
        for n in range(_MOST_CONVS)
        for place, name in enumerate(("conv", "gn"))
    }


def _features(theirs: str, last: str) -> dict[str, str]:
    """SOLOv2's mask features: one convolution of P2 and of P3, two of P4, three of P5."""
    levels = {
        f"{theirs}convs_all_levels.{level}.conv{n}.{name}.": f"features.levels.{level}.{n}.{place}."
        for level, convs in enumerate((1, 1, 2, 3))
        for n in range(convs)
        for place, name in enumerate(("conv", "gn"))
    }
    return {**levels, f"{theirs}{last}.conv.": "features.project.0.", f"{theirs}{last}.gn.": "features.project.1."}


def _table(architecture: str, arguments: str, prefixes: Mapping[str, str]) -> Table:
    return Table(
        architecture,
        made_by=f"pixelwise.create('{architecture}', backbone=…, {arguments}), {_DEFORMABLE}",
        prefixes={**_SHARED, **prefixes},
        dropped={},
    )


def _tables(
    head: str, masks: str, classes: str, words: Mapping[str, str], features: Mapping[str, str]
) -> tuple[Table, ...]:
    """One for each of the three, as a library names their parts."""
    categories = _tower(f"{head}{classes}_convs", "categories")
    return (
        _table(
            "solo",
            "num_classes=81",
            {
                **categories,
                **_tower(f"{head}{masks}_convs", "masks"),
                f"{head}{words['masks']}.": "locations.",
                f"{head}{words['solo']}.": "head.",
            },
        ),
        _table(
            "decoupled_solo",
            "num_classes=81; convs=4, shared=True for the light ones",
            {
                **categories,
                **_tower(f"{head}{masks}_convs", "sides.0"),
                **_tower(f"{head}{masks}_convs_x", "sides.0"),
                **_tower(f"{head}{masks}_convs_y", "sides.1"),
                f"{head}{words['sides']}_x.": "columns.",
                f"{head}{words['sides']}_y.": "rows.",
                f"{head}{words['decoupled']}.": "head.",
            },
        ),
        _table(
            "solov2",
            "num_classes=81; convs=2, width=256, features=128 for the light ones",
            {
                **categories,
                **_tower(f"{head}kernel_convs", "kernels"),
                f"{head}{words['kernels']}.": "filters.",
                f"{head}{words['solo']}.": "head.",
                **features,
            },
        ),
    )


SOLO = _tables(
    "bbox_head.",
    "ins",
    "cate",
    {
        "masks": "solo_ins_list",
        "sides": "dsolo_ins_list",
        "solo": "solo_cate",
        "decoupled": "dsolo_cate",
        "kernels": "solo_kernel",
    },
    _features("mask_feat_head.", "conv_pred.0"),
)
"""WXinlong/SOLO: SOLO_R50_1x.pth, DECOUPLED_SOLO_R101_3x.pth, SOLOv2_LIGHT_448_R34_3x.pth …"""

MMDET = _tables(
    "mask_head.",
    "mask",
    "cls",
    {
        "masks": "conv_mask_list",
        "sides": "conv_mask_list",
        "solo": "conv_cls",
        "decoupled": "conv_cls",
        "kernels": "conv_kernel",
    },
    _features("mask_head.mask_feature_head.", "conv_pred"),
)
"""mmdetection 2 and 3: solo_r50_fpn_1x_coco …, decoupled_solo_r50_fpn_1x_coco …, solov2_r50_fpn_1x_coco …"""
