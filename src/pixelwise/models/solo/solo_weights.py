"""Names of the tensors of the three SOLOs in the authors' checkpoints and in mmdetection's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...ops.rename_table import Table, rows

_MAX_CONVS = 7
_CONV_AND_NORM = {"conv": 0, "gn": 1}
_DEFORMABLE = "ResNets without deformable convolutions (the files whose names have no DCN)"


@dataclass(frozen=True)
class _Library:
    """The words that a library's names are made of.

    Attributes:
        head: prefix of the heads.
        mask_convs, category_convs: towers of the mask branch and of the category branch.
        mask_outputs, side_outputs: last convolutions of the mask branches of SOLO and of Decoupled SOLO.
        category_output, decoupled_category_output: last convolution of the category branch.
        kernel_output: last convolution of SOLOv2's kernel branch.
        features: prefix of SOLOv2's mask features.
        feature_output: last convolution of the mask features.
    """

    head: str
    mask_convs: str
    category_convs: str
    mask_outputs: str
    side_outputs: str
    category_output: str
    decoupled_category_output: str
    kernel_output: str
    features: str
    feature_output: str

    def tables(self) -> tuple[Table, ...]:
        """One table for each of the three models."""
        return self._solo(), self._decoupled_solo(), self._solov2()

    def _solo(self) -> Table:
        return _table(
            "solo",
            "num_classes=81",
            {
                **self._tower(self.category_convs, "categories"),
                **self._tower(self.mask_convs, "masks"),
                f"{self.head}{self.mask_outputs}.": "locations.",
                f"{self.head}{self.category_output}.": "head.",
            },
        )

    def _decoupled_solo(self) -> Table:
        return _table(
            "decoupled_solo",
            "num_classes=81; convs=4, shared=True for the light ones",
            {
                **self._tower(self.category_convs, "categories"),
                **self._tower(self.mask_convs, "sides.0"),  # the light model's, of columns and rows
                **self._tower(f"{self.mask_convs}_x", "sides.0"),
                **self._tower(f"{self.mask_convs}_y", "sides.1"),
                f"{self.head}{self.side_outputs}_x.": "columns.",
                f"{self.head}{self.side_outputs}_y.": "rows.",
                f"{self.head}{self.decoupled_category_output}.": "head.",
            },
        )

    def _solov2(self) -> Table:
        return _table(
            "solov2",
            "num_classes=81; convs=2, width=256, features=128 for the light ones",
            {
                **self._tower(self.category_convs, "categories"),
                **self._tower("kernel_convs", "kernels"),
                f"{self.head}{self.kernel_output}.": "filters.",
                f"{self.head}{self.category_output}.": "head.",
                **self._mask_features(),
            },
        )

    def _tower(self, theirs: str, ours: str) -> dict[str, str]:
        """The convolutions of a branch."""
        return rows(
            f"{self.head}{theirs}.{{n}}.{{layer}}.",
            f"{ours}.{{n}}.{{layer}}.",
            n=range(_MAX_CONVS),
            layer=_CONV_AND_NORM,
        )

    def _mask_features(self) -> dict[str, str]:
        """SOLOv2's mask features: one convolution of P2 and of P3, two of P4, three of P5."""
        names = rows(
            f"{self.features}{self.feature_output}.{{layer}}.", "features.project.{layer}.", layer=_CONV_AND_NORM
        )
        for level, convs in enumerate((1, 1, 2, 3)):
            names |= rows(
                f"{self.features}convs_all_levels.{level}.conv{{n}}.{{layer}}.",
                f"features.levels.{level}.{{n}}.{{layer}}.",
                n=range(convs),
                layer=_CONV_AND_NORM,
            )
        return names


def _table(architecture: str, arguments: str, heads: Mapping[str, str]) -> Table:
    """The table of a model: its heads, and the backbone and the pyramid, which are the same in all."""
    return Table(
        architecture,
        made_by=f"pixelwise.create('{architecture}', backbone=…, {arguments}), {_DEFORMABLE}",
        prefixes={
            "backbone.": "backbone.net.",
            **rows("neck.lateral_convs.{n}.conv.", "fpn.lateral.{n}.", n=range(4)),
            **rows("neck.fpn_convs.{n}.conv.", "fpn.output.{n}.", n=range(4)),
            **heads,
        },
        dropped={},
    )


SOLO = _Library(
    head="bbox_head.",
    mask_convs="ins_convs",
    category_convs="cate_convs",
    mask_outputs="solo_ins_list",
    side_outputs="dsolo_ins_list",
    category_output="solo_cate",
    decoupled_category_output="dsolo_cate",
    kernel_output="solo_kernel",
    features="mask_feat_head.",
    feature_output="conv_pred.0",
).tables()
"""WXinlong/SOLO: SOLO_R50_1x.pth, DECOUPLED_SOLO_R101_3x.pth, SOLOv2_LIGHT_448_R34_3x.pth …"""

MMDET = _Library(
    head="mask_head.",
    mask_convs="mask_convs",
    category_convs="cls_convs",
    mask_outputs="conv_mask_list",
    side_outputs="conv_mask_list",
    category_output="conv_cls",
    decoupled_category_output="conv_cls",
    kernel_output="conv_kernel",
    features="mask_head.mask_feature_head.",
    feature_output="conv_pred",
).tables()
"""mmdetection 2 and 3: solo_r50_fpn_1x_coco …, decoupled_solo_r50_fpn_1x_coco …, solov2_r50_fpn_1x_coco …"""
