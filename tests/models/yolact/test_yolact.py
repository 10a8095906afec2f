"""YOLACT: the numbers of the paper and of its authors' code, and ground truths that are hard to learn from."""

from __future__ import annotations

import pytest
import torch

import pixelwise
from pixelwise.classes import Classes
from pixelwise.inference.predictor import Predictor
from pixelwise.masks import Masks
from pixelwise.models.yolact.anchor_grid import anchor_grid
from pixelwise.models.yolact.yolact import RATIOS
from pixelwise.ops.boxes import decode
from pixelwise.ops.resize import Resizing
from pixelwise.segmentation import Segmentation
from pixelwise.weights.checkpoint import save

THREE = Classes(("ground", "cat", "dog"), things=(False, True, True), background=0)
LEVELS = {550: (69, 35, 18, 9, 5), 700: (88, 44, 22, 11, 6)}


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return pixelwise.create("yolact", classes=THREE, backbone="resnet18", size=100, width=32, prototypes=8).eval()


def truth(masks: torch.Tensor, labels: list[int], crowd: list[bool] | None = None) -> Segmentation:
    crowds = None if crowd is None else torch.tensor(crowd)
    return Segmentation(THREE, torch.tensor(labels, dtype=torch.int64), masks=masks, crowd=crowds)


def square(side: int, *places: tuple[int, int, int]) -> torch.Tensor:
    """(N, side, side) bool: squares by row, column and length."""
    masks = torch.zeros(len(places), side, side, dtype=torch.bool)
    for mask, (row, column, length) in zip(masks, places, strict=True):
        mask[row : row + length, column : column + length] = True
    return masks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "parameters", "tensors"), [("resnet101", 50_157_071, 660), ("resnet50", 31_164_943, 354)]
)
def test_the_numbers_of_parameters_and_tensors_are_the_authors(backbone, parameters, tensors):
    with torch.device("meta"):
        model = pixelwise.create("yolact", num_classes=81, backbone=backbone)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.state_dict()) == tensors


@pytest.mark.parametrize(("side", "number"), [(550, 19_248), (700, 30_963)])
def test_levels_and_anchors_are_the_authors(small, side, number):
    with torch.device("meta"):
        model = pixelwise.create("yolact", num_classes=3, backbone="resnet18", size=side, variant="authors", width=8)
    assert model.scales == {550: (24, 48, 96, 192, 384), 700: (30, 61, 122, 244, 488)}[side]
    levels = tuple((n, n) for n in LEVELS[side])
    anchors = torch.from_numpy(anchor_grid((side, side), levels, model.scales, RATIOS, square=True))
    assert anchors.shape == (number, 4)
    sides = anchors[:3, 2:] - anchors[:3, :2]
    assert torch.equal(sides[:, 0], sides[:, 1])
    if side == 550:
        assert sides[:, 0].tolist() == pytest.approx([24, 16.97, 33.94], abs=0.01)
        middle = (anchors[[0, 3, 69 * 3], :2] + anchors[[0, 3, 69 * 3], 2:]) / 2
        torch.testing.assert_close(middle, torch.tensor([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]) * 550 / 69)


def test_the_levels_of_a_forward_pass(small):
    with torch.no_grad():
        outputs = small(torch.zeros(1, 3, 137, 201))
    expected = (18 * 26 + 9 * 13 + 5 * 7 + 3 * 4 + 2 * 2) * 3
    assert outputs.boxes.shape == (1, expected, 4)
    assert outputs.logits.shape == (1, expected, 3)
    assert outputs.coefficients.shape == (1, expected, 8)
    assert outputs.coefficients.abs().max() <= 1
    assert outputs.prototypes.shape == (1, 8, 36, 52)
    assert outputs.prototypes.min() >= 0
    assert outputs.semantic[0].shape == (1, 2, 18, 26)
    assert (outputs.anchors.shape, outputs.size.tolist()) == ((expected, 4), [137, 201])


def test_anchors_of_the_paper_keep_their_area_and_those_of_pascal_are_larger():
    anchors = torch.from_numpy(anchor_grid((64, 64), ((8, 8),), (24,), RATIOS))
    width, height = (anchors[:3, 2:] - anchors[:3, :2]).T
    assert (width * height).tolist() == pytest.approx([576] * 3, rel=1e-5)
    assert (width / height).tolist() == pytest.approx([1, 0.5, 2])
    with torch.device("meta"):
        pascal = pixelwise.create("yolact", num_classes=21, backbone="resnet18", variant="pascal")
    assert (pascal.scales, pascal.variant.square) == ((32, 64, 128, 256, 512), False)


def test_boxes_are_decoded_as_the_authors_do_it():
    anchor = torch.tensor([[40.0, 40, 60, 60]])
    actual = decode(torch.tensor([[1.0, -1, 0.5, -0.5]]), anchor, (10, 10, 5, 5)) / 100
    torch.testing.assert_close(actual, torch.tensor([[0.4095, 0.3895, 0.6305, 0.5705]]), atol=1e-4, rtol=0)


def test_wrong_arguments():
    for arguments, message in (
        ({"variant": "author"}, "did you mean 'authors'"),
        ({"size": 20}, "size is 20: the smallest anchors would be less than a pixel"),
        ({"backbone": "vit_tiny_patch16_224"}, "but not of"),
        ({"num_classes": 1}, "a background and one class"),
        ({"scales": [24, 48]}, "give 5 in pixels, one a level"),
        ({"scales": [0, 48, 96, 192, 384]}, "less than a pixel"),
        ({"ratios": [1, 0]}, "ratios are"),
        ({"max_masks": 0}, "max_masks is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            pixelwise.create("yolact", **{"num_classes": 3, "backbone": "resnet18", **arguments})


@pytest.mark.parametrize("name", ["500 objects", "one pixel each", "overlapping", "a line", "all of it"])
def test_hard_truths_have_finite_losses(small, name):
    side, random = 64, torch.Generator().manual_seed(0)
    masks = {
        "500 objects": lambda: square(side, *torch.randint(0, 60, (500, 3), generator=random).tolist()),
        "one pixel each": lambda: square(side, *((3 * k, 5 * k, 1) for k in range(12))),
        "overlapping": lambda: square(side, *[(10, 10, 30)] * 5),
        "a line": lambda: torch.arange(side).expand(1, side, side) == 13,
        "all of it": lambda: square(side, (0, 0, side)),
    }[name]()
    small.train().zero_grad()
    images = torch.rand(2, 3, side, side, generator=random)
    parts = small.loss(small(images), [truth(masks, [1 + k % 2 for k in range(len(masks))]), truth(masks[:0], [])])
    assert set(parts) == {"class", "box", "mask", "semantic"}
    torch.stack(list(parts.values())).sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in small.parameters())
    small.eval()


def test_score_threshold_and_maximum_detections(small):
    with torch.no_grad():
        outputs = small(torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)))
    every = small.detect(outputs, 0)
    assert len(every.scores) == 100
    assert bool((every.scores.diff() <= 0).all())
    least = float(every.scores[20]) - 1e-4
    for name, value, number in (
        ("max_detections", 7, 7),
        ("score_threshold", least, int((every.scores >= least).sum())),
    ):
        setattr(small, name, value)
        actual = small.detect(outputs, 0)
        delattr(small, name)
        assert len(actual.scores) == number
        torch.testing.assert_close(actual.boxes, every.boxes[:number])
    small.score_threshold = 1.0
    assert small.decode(outputs, [(96, 96)])[0].masks == Masks.from_dense(torch.zeros(0, 96, 96, dtype=torch.bool))
    del small.score_threshold


def test_images_squeezed_to_a_square_come_back_as_they_were(small):
    image = torch.randint(0, 256, (3, 60, 150), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    small.resizing = Resizing(square=100)
    try:
        predictor = Predictor(small, device="cpu", score_threshold=0.0)
        actual, every = predictor(image), predictor.predict_whole(small, image)
        assert (every.size, len(every)) == ((60, 150), 100)
        assert (actual.size, len(actual)) == ((60, 150), int((every.areas() > 0).sum()))
    finally:
        small.resizing = Resizing()


def test_the_semantic_head_is_for_training_alone(small):
    """Without auxiliary heads it does not run, and predictions are the same."""
    images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    calls: list[None] = []
    hook = small.semantic.register_forward_hook(lambda *_: calls.append(None))
    try:
        with torch.no_grad():
            training_outputs = small(images)
            assert len(calls) == 1
            small.auxiliary_heads = False
            outputs = small(images)
    finally:
        hook.remove()
        small.auxiliary_heads = True
    assert len(calls) == 1
    assert outputs.semantic == ()
    assert set(small.loss(outputs, [truth(square(96, (10, 10, 30)), [1])])) == {"class", "box", "mask"}
    assert small.decode(outputs, [(90, 96)]) == small.decode(training_outputs, [(90, 96)])


def test_what_shapes_anchors_and_targets_is_saved_and_loaded(tmp_path):
    given = {"scales": [11, 22, 44, 88, 176], "ratios": [0.5, 2], "max_masks": 7, "size": 100}
    model = pixelwise.create("yolact", classes=THREE, backbone="resnet18", width=16, prototypes=4, **given)
    save(model, tmp_path / "model.safetensors")
    loaded = pixelwise.load(tmp_path / "model.safetensors")
    with torch.no_grad():
        outputs = loaded(torch.zeros(1, 3, 64, 64))
    assert loaded.arguments == model.arguments
    assert (loaded.scales, loaded.ratios, loaded.max_masks) == ((2, 4, 8, 16, 32), (0.5, 2.0), 7)
    assert len(outputs.anchors) == 2 * (8 * 8 + 4 * 4 + 2 * 2 + 1 + 1)
    width, height = (outputs.anchors[0, 2:] - outputs.anchors[0, :2]).tolist()
    assert (width * height, width / height) == pytest.approx((4, 0.5), rel=1e-4)
