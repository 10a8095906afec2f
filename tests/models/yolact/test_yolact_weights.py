"""YOLACT compared with its authors' code: outputs, objects, targets, losses (tests/golden/record_yolact.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from filling import make_image, sixteen, state_dict
from record_yolact import MOST_MASKS, scene, tamed

import pixelwise
from pixelwise.layers.normalize import Normalize
from pixelwise.models.yolact.prototypes import soft_masks
from pixelwise.models.yolact.targets import assign_targets
from pixelwise.ops.resize import Resizing
from pixelwise.segmentation import Segmentation

RECORDS = sorted((Path(__file__).parents[2] / "golden").glob("yolact_*.json"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=RECORDS, ids=lambda path: path.stem.removeprefix("yolact_"))
def case(request):
    """The record, our model with their weights, and its outputs for the image."""
    record = json.loads(request.param.read_text("utf-8"))
    model = pixelwise.create("yolact", variant="authors", **record["create"]).eval()
    theirs = tamed(state_dict(record["shapes"]), record["factor"])
    assert pixelwise.load_weights(model, theirs, "yolact", resizing=Resizing()).unused == {}
    side = record["create"]["size"]
    model.resizing, model.normalize = Resizing(square=side), Normalize()  # the peer was shown the image as it is
    with torch.no_grad():
        return record, model, model(make_image(side, side))


def truth_of(model, name: str, side: int) -> Segmentation:
    masks, labels, crowd = scene(name, side)
    return Segmentation(model.classes, labels, masks=masks, crowd=crowd)


def test_outputs(case):
    record, _, outputs = case
    side = record["create"]["size"]
    middle, sides = (
        (outputs.anchors[:, :2] + outputs.anchors[:, 2:]) / 2,
        outputs.anchors[:, 2:] - outputs.anchors[:, :2],
    )
    actual = {
        "loc": outputs.boxes,
        "conf": outputs.logits,
        "mask": outputs.coefficients,
        "priors": torch.cat([middle, sides], 1) / side,
        "proto": outputs.prototypes.permute(0, 2, 3, 1),
        "segm": outputs.semantic[0],
    }
    assert len(outputs.anchors) == record["priors"]
    for key, expected in record["outputs"].items():
        assert sixteen(actual[key].contiguous()) == pytest.approx(expected, abs=1e-5 * max(1, *map(abs, expected))), key


def test_objects(case):
    record, model, outputs = case
    side = record["create"]["size"]
    for name, expected in record["objects"].items():
        size = tuple(map(int, name.split("x")))
        actual = model.detect(outputs, 0)
        assert actual.labels.tolist() == expected["labels"]
        torch.testing.assert_close(actual.scores, torch.tensor(expected["scores"]), atol=1e-5, rtol=0)
        scale = torch.tensor([size[1], size[0]] * 2) / side
        boxes = torch.minimum((actual.boxes * scale).clamp(min=0), torch.tensor([size[1], size[0]] * 2))
        torch.testing.assert_close(boxes, torch.tensor(expected["boxes"]), atol=1e-3, rtol=0)
        whole = torch.zeros(len(actual.boxes), *size)
        soft = soft_masks(outputs.prototypes[0], actual.coefficients, actual.boxes, size, (side, side), (side, side))
        for mask, (part, (x, y)) in zip(whole, soft, strict=True):
            mask[y : y + part.shape[0], x : x + part.shape[1]] = part
        torch.testing.assert_close(whole.mean((1, 2)), torch.tensor(expected["means"]), atol=1e-5, rtol=0)
        assert sixteen(whole.sum(0)) == pytest.approx(expected["soft"], abs=1e-4)
        (result,) = model.decode(outputs, [size])
        assert (result.size, result.labels.tolist()) == (size, expected["labels"])
        assert (result.areas() - torch.tensor(expected["areas"])).abs().max() <= 1
        assert torch.equal(result.masks.dense(), whole > 0.5)


def test_targets_and_losses(case):
    record, model, outputs = case
    side = record["create"]["size"]
    model.max_masks = MOST_MASKS
    names = {"class": "C", "box": "B", "mask": "M", "semantic": "S"}
    for name, expected in record["losses"].items():
        truth = truth_of(model, name, side)
        targets = assign_targets(outputs.anchors, truth)
        positive = (targets.labels > 0).nonzero().flatten()
        assert positive.tolist() == expected["positive"], name
        assert targets.owner[positive].tolist() == expected["owner"], name
        assert (targets.labels < 0).nonzero().flatten().tolist() == expected["neutral"], name
        torch.manual_seed(0)
        parts = model.loss(outputs, [truth])
        for ours, theirs in names.items():
            assert parts[ours].item() == pytest.approx(expected["losses"][theirs], rel=1e-4), (name, ours)


def test_without_objects_only_the_semantic_loss_is_left(case):
    record, model, outputs = case
    parts = model.loss(outputs, [truth_of(model, "none", record["create"]["size"])])
    assert parts["class"] == parts["box"] == parts["mask"] == 0 < parts["semantic"]
