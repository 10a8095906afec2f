"""SOLO compared with the authors' heads with the same weights: scores, masks, objects and losses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from filling import make_image, sixteen, state_dict
from solo_cases import INNER, LOSS_SIZE, ORIGINAL, TRUTHS, labels, masks

import pixelwise
from pixelwise.classes import Classes
from pixelwise.layers.normalize import Normalize
from pixelwise.masks import Masks
from pixelwise.models.solo.locations import suppress_neighbours
from pixelwise.ops.resize import Resizing
from pixelwise.segmentation import Segmentation

RECORDS = json.loads((Path(__file__).parents[2] / "golden" / "solo.json").read_text("utf-8"))
NAMES = [f"{record['create']['name']}{' shared' * ('shared' in record['create'])}" for record in RECORDS]
RENAMED = (
    ("bbox_head.ins_convs", "mask_head.mask_convs"),
    ("bbox_head.cate_convs", "mask_head.cls_convs"),
    ("bbox_head.solo_ins_list", "mask_head.conv_mask_list"),
    ("bbox_head.dsolo_ins_list", "mask_head.conv_mask_list"),
    ("bbox_head.solo_cate", "mask_head.conv_cls"),
    ("bbox_head.dsolo_cate", "mask_head.conv_cls"),
    ("bbox_head.solo_kernel", "mask_head.conv_kernel"),
    ("mask_feat_head.conv_pred.0.", "mask_head.mask_feature_head.conv_pred."),
    ("mask_feat_head.", "mask_head.mask_feature_head."),
    ("bbox_head.", "mask_head."),
)
"""Prefixes of the authors' names → those of mmdetection, from its source."""


class Inner:
    """Resizing to a smaller image, as in the record."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.inner = (size[0] - INNER[0], size[1] - INNER[1])

    def size(self, height: int, width: int) -> tuple[int, int]:
        return self.inner


@pytest.fixture(scope="module", params=RECORDS, ids=NAMES)
def pair(request):
    model = pixelwise.create(**request.param["create"]).eval()
    model.normalize = Normalize()  # the peer was shown the image as it is
    assert pixelwise.load_weights(model, state_dict(request.param["shapes"]), "solo", resizing=Resizing()).unused == {}
    return model, request.param


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_outputs_and_objects(pair, size):
    model, record = pair
    expected = record["sizes"][f"{size[0]}x{size[1]}"]
    model.resizing = Inner(size)
    with torch.no_grad():
        outputs = model(make_image(*size))
    quarter = (size[0] // 4, size[1] // 4)
    for level, grid in enumerate(model.grids):
        scores = suppress_neighbours(outputs.categories[level].sigmoid()).permute(0, 2, 3, 1)
        assert sixteen(scores) == pytest.approx(expected["categories"][level], rel=0, abs=2e-6)
        soft = model.soft_masks(outputs, 0, level, torch.arange(grid * grid), quarter)
        assert sixteen(soft) == pytest.approx(expected["masks"][level], rel=0, abs=1e-5)
    (actual,) = model.decode(outputs, [ORIGINAL])
    assert actual.labels.tolist() == expected["labels"]
    assert actual.scores.tolist() == pytest.approx(expected["scores"], rel=0, abs=1e-5)
    assert actual.areas().tolist() == pytest.approx(expected["areas"], rel=0, abs=2)


@pytest.mark.slow
def test_losses_of_hand_made_truths(pair):
    model, record = pair
    images = torch.cat([make_image(*LOSS_SIZE), make_image(*LOSS_SIZE).flip(-1)])
    classes = Classes.numbered(81)
    with torch.no_grad():
        outputs = model(images)
        for both, expected in zip(TRUTHS, record["losses"], strict=True):
            truths = [Segmentation(classes, labels(n), masks=Masks.from_dense(masks(n))) for n in both]
            parts = model.loss(outputs, truths)
            assert [float(parts["category"]), float(parts["mask"])] == pytest.approx(expected, rel=1e-5)


def test_mmdetection_names_the_same_tensors_otherwise(pair):
    model, record = pair
    theirs = state_dict(record["shapes"])
    renamed = {}
    for key, value in theirs.items():
        start, other = next((two for two in RENAMED if key.startswith(two[0])), ("", ""))
        renamed[other + key.removeprefix(start)] = value
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.nn.init.zeros_(model.head.weight)
    assert pixelwise.load_weights(model, renamed, "mmdet", resizing=Resizing()).unused == {}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_deformable_files_are_refused(pair):
    model, record = pair
    extra = {"backbone.layer2.0.conv2_offset.weight": torch.zeros(18, 128, 3, 3)}
    with pytest.raises(ValueError, match=r"conv2_offset.*without deformable convolutions"):
        pixelwise.load_weights(model, {**state_dict(record["shapes"]), **extra}, "solo")
