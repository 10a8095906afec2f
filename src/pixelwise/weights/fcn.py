"""What other libraries call the tensors of an FCN."""

from __future__ import annotations

from collections.abc import Sequence

from .table import Table

_VGG16 = {
    f"conv{block + 1}_{number + 1}.": f"backbone.blocks.{block}.{2 * number}."
    for block, convolutions in enumerate((2, 2, 3, 3, 3))
    for number in range(convolutions)
}
_SCORES = {"score_fr.": "head.scores.0.", "score_pool4.": "head.scores.1.", "score_pool3.": "head.scores.2."}


def _wkentaro(architecture: str, upsamplings: Sequence[str]) -> Table:
    """pytorch-fcn by wkentaro, and what it made of the authors' Caffe weights."""
    return Table(
        architecture=architecture,
        made_by=(
            f"pixelwise.create('{architecture}', num_classes=…), with learned=True to keep their upsampling kernels, "
            "with at_once=True for fcn8s-atonce; num_classes is the length of score_fr.bias"
        ),
        prefixes={
            **_VGG16,
            "fc6.": "backbone.fc6.",
            "fc7.": "backbone.fc7.",
            **_SCORES,
            **{f"{name}.": f"head.up.{number}.conv." for number, name in enumerate(upsamplings)},
        },
        dropped={"upscore": "a bilinear kernel, by formula here; learned=True takes theirs"},
        demands={"backbone": None},
    )


WKENTARO = (
    _wkentaro("fcn32s", ["upscore"]),
    _wkentaro("fcn16s", ["upscore2", "upscore16"]),
    _wkentaro("fcn8s", ["upscore2", "upscore_pool4", "upscore8"]),
)
"""One table for each of the three networks."""

TORCHVISION = Table(
    architecture="fcn_resnet",
    made_by=(
        "pixelwise.create('fcn_resnet', backbone='resnet50' or 'resnet101', num_classes=…), with auxiliary=False where "
        "there is no aux_classifier; num_classes is the length of classifier.4.bias"
    ),
    prefixes={
        "backbone.": "backbone.net.",
        **{
            f"{theirs}.{a}.": f"{ours}.{b}."
            for theirs, ours in (("classifier", "classifier"), ("aux_classifier", "auxiliary"))
            for a, b in (("0", "conv.0"), ("1", "conv.1"), ("4", "head"))
        },
    },
    dropped={"aux_classifier.": "the auxiliary classifier, which a model made with auxiliary=False has not"},
    demands={"output_stride": 8},
)
"""torchvision's fcn_resnet50 and fcn_resnet101."""
