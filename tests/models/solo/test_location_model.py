"""SOLO, Decoupled SOLO and SOLOv2: size of the networks, targets, finite losses, decoding, arguments."""

from __future__ import annotations

import pytest
import torch

import pixelwise
from pixelwise.classes import Classes
from pixelwise.masks import Masks
from pixelwise.models.solo import decoding
from pixelwise.models.solo.location_model import LocationModel
from pixelwise.models.solo.solov2 import SOLOv2Outputs
from pixelwise.segmentation import Segmentation
from pixelwise.weights.checkpoint import save

THREE = Classes.numbered(3)
NAMES = ("solo", "decoupled_solo", "solov2")


def make(name: str = "solo", **arguments):
    torch.manual_seed(0)
    arguments = {"backbone": "resnet18", "convs": 1, "width": 16, **arguments}
    if name == "solov2":
        arguments = {"features": 8, "pyramid": 16, **arguments}
    return pixelwise.create(name, num_classes=3, **arguments)


def truth(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (128, 128), crowd: tuple[int, ...] = ()):
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (x, y, right, bottom) in zip(masks, boxes, strict=True):
        mask[y:bottom, x:right] = True
    labels = torch.arange(len(boxes)) % 2 + 1
    return Segmentation(
        THREE, labels, masks=Masks.from_dense(masks), crowd=torch.tensor([n in crowd for n in range(len(boxes))]).bool()
    )


def gradients(model) -> dict[str, torch.Tensor | None]:
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters"), [("solo", 36_301_232), ("decoupled_solo", 40_028_560), ("solov2", 46_592_912)]
)
def test_the_size_of_the_published_models(name, parameters):
    model = pixelwise.create(name, num_classes=81)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_an_object_of_two_ranges_is_learnt_by_two_levels():
    model = make(scale=1.0)
    masks = truth((10, 10, 74, 74), (100, 90, 120, 110), size=(256, 256)).as_masks()
    owners = model.cell_targets(masks, torch.zeros(2, dtype=torch.bool), (256, 256))
    assert [sorted(set(level[:, 1].tolist())) for level in owners] == [[0, 1], [0], [], [], []]


def test_ranges_follow_the_image_unless_a_scale_is_given():
    assert make().range_scale((800, 1344)) == make().range_scale((1600, 1600)) == 1
    assert make().range_scale((600, 900)) == 0.75
    assert make().range_scale((128, 256)) == 0.5
    assert make(scale=7 / 12).range_scale((128, 128)) == 7 / 12


def test_ranges_and_the_centre_region_are_those_given():
    masks = truth((10, 10, 74, 74), size=(256, 256)).as_masks()
    none = torch.zeros(1, dtype=torch.bool)
    ranges = [[0, 64], [65, 90], [100, 200], [200, 300], [64, None]]
    default = make(scale=1.0).cell_targets(masks, none, (256, 256))
    model = make(scale=1.0, ranges=ranges, centre_region=0.01)
    targets = model.cell_targets(masks, none, (256, 256))
    assert [len(level) > 0 for level in default] == [True, True, False, False, False]
    assert [len(level) > 0 for level in targets] == [True, False, False, False, True]
    assert len(targets[0]) == 1 < len(default[0])


@pytest.mark.parametrize("name", NAMES)
def test_what_shapes_the_targets_is_saved_and_loaded(name, tmp_path):
    given = {
        "grids": [20, 18, 12, 8, 6],
        "ranges": [[0, 30], [20, 60], [40, 90], [80, 200], [150, None]],
        "centre_region": 0.3,
        "scale": 0.75,
    }
    model = make(name, **given)
    save(model, tmp_path / "model.safetensors")
    loaded = pixelwise.load(tmp_path / "model.safetensors")
    masks = truth((10, 10, 74, 74), (0, 0, 20, 30)).as_masks()
    none = torch.zeros(2, dtype=torch.bool)
    assert loaded.arguments == model.arguments
    assert loaded.ranges == model.ranges != make(name).ranges
    for actual, expected in zip(
        loaded.cell_targets(masks, none, (128, 128)), model.cell_targets(masks, none, (128, 128)), strict=True
    ):
        assert torch.equal(actual, expected)


def test_a_location_model_without_a_mask_branch_is_abstract():
    class Half(LocationModel):
        def forward(self, images):
            return images

    with pytest.raises(TypeError, match="abstract.*padded_size.*soft_masks"):
        Half()


def test_crowds_and_empty_masks_are_no_objects():
    model = make()
    masks = truth((10, 10, 40, 40), (50, 50, 50, 50), (60, 60, 100, 100)).as_masks()
    owners = model.cell_targets(masks, torch.tensor([True, False, False]), (128, 128))
    assert {n for level in owners for n in level[:, 1].tolist()} == {2}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("boxes", [(), ((5, 5, 8, 6),), ((5, 5, 5, 5),), ((0, 0, 128, 128), (0, 0, 128, 128))], ids=str)
def test_losses_are_finite_and_reach_every_parameter(name, boxes):
    model = make(name).train()
    parts = model.loss(model(torch.rand(1, 3, 128, 128)), [truth(*boxes)])
    assert sorted(parts) == ["category", "mask"]
    sum(parts.values()).backward()
    for name, gradient in gradients(model).items():
        assert gradient is not None, name
        assert gradient.isfinite().all(), name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_losses_of_five_hundred_objects_in_parts_equal_those_at_once(name, monkeypatch):
    model, images = make(name), torch.rand(1, 3, 128, 128)
    corners = [(x, y, x + 9, y + 8) for x in range(0, 115, 5) for y in range(0, 112, 5)][:500]
    actual = []
    for values in (decoding.MAX_MASK_VALUES, 20 * 32 * 32):
        monkeypatch.setattr(decoding, "MAX_MASK_VALUES", values)
        model.zero_grad()
        parts = model.loss(model.eval()(images), [truth(*corners)])
        sum(parts.values()).backward()
        actual.append([*parts.values(), *(gradient.sum() for gradient in gradients(model).values())])
    torch.testing.assert_close(actual[0], actual[1], rtol=1e-3, atol=1e-3)


def oracle(model, size: tuple[int, int]) -> tuple[SOLOv2Outputs, torch.Tensor]:
    """Outputs of SOLOv2 whose level 0 predicts two boxes in the stride-4 map, and one of them twice; the two boxes."""
    height, width = size[0] // 4, size[1] // 4
    features = torch.full((1, 2, height, width), -1.0)
    features[0, 0, 4:10, 5:15] = features[0, 1, 12:20, 20:28] = 1
    categories = [torch.full((1, 2, s, s), -9.0) for s in model.grids]
    kernels = [torch.zeros(1, 2, s, s) for s in model.grids]
    for (row, column), feature, label, logit in (((9, 9), 0, 0, 4.0), ((20, 30), 1, 1, 3.0), ((20, 33), 1, 1, 2.0)):
        categories[0][0, label, row, column] = logit
        kernels[0][0, feature, row, column] = 20
    return SOLOv2Outputs(tuple(categories), tuple(kernels), features), torch.tensor(
        [[20, 16, 60, 40], [80, 48, 112, 80]]
    )


def test_decoding_gives_each_object_once_and_in_its_place():
    model = make("solov2")
    outputs, boxes = oracle(model, (96, 128))
    (actual,) = model.decode(outputs, [(96, 128)])
    assert actual.labels.tolist()[:2] == [1, 2]
    assert torch.equal(actual.boxes()[:2].long(), boxes)
    assert actual.scores[:2].tolist() == pytest.approx(torch.tensor([4.0, 3.0]).sigmoid().tolist(), abs=1e-4)
    assert actual.scores[2] == pytest.approx(float(torch.tensor(2.0).sigmoid() * torch.tensor(-2.0).exp()), abs=1e-4)


def test_score_threshold_and_maximum_detections():
    model = make("solov2")
    outputs, _ = oracle(model, (96, 128))
    model.score_threshold = 0.5
    assert len(model.decode(outputs, [(96, 128)])[0]) == 2
    model.max_detections = 1
    assert model.decode(outputs, [(96, 128)])[0].labels.tolist() == [1]


def test_small_masks_are_dropped_by_the_area_that_fits_the_image():
    kept = []
    for scale in (None, 1.0):
        model = make("solov2", scale=scale)
        outputs, _ = oracle(model, (96, 128))
        outputs.features[0, 0, 4:10, 5:15] = -1
        outputs.features[0, 0, 4:6, 5:9] = 1  # 8 pixels: no more than the stride, but more than a quarter of it
        kept.append(model.decode(outputs, [(96, 128)])[0].labels.tolist())
    assert 1 in kept[0]
    assert 1 not in kept[1]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="give the cells along a side of 5 levels"):
        make(grids=(8, 4))
    with pytest.raises(ValueError, match="scale is -1"):
        make(scale=-1)
    with pytest.raises(ValueError, match="has maps of stride"):
        make(backbone="vit_tiny_patch16_224")
    with pytest.raises(ValueError, match="smallest and largest size of 5 levels"):
        make(ranges=[[0, None]])
    with pytest.raises(ValueError, match="the range .* is empty"):
        make(ranges=[[0, 96], [48, 192], [96, 96], [192, 768], [384, None]])
    with pytest.raises(ValueError, match="is not a smallest and a largest size"):
        make(ranges=[[0, 96], [48, 192], [96], [192, 768], [384, None]])
    with pytest.raises(ValueError, match="centre_region is 0"):
        make(centre_region=0)
