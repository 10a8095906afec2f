"""Panoptic FPN: the published branch, merged maps of objects and stuff, and ground truths of every kind."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from filling import make_image, sixteen, state_dict
from record_panoptic_fpn import SHOWN, semantic_truth

import pixelwise
from pixelwise.classes import VOID, Classes
from pixelwise.data.recognition.known_classes import known_classes
from pixelwise.data.shapes import shapes
from pixelwise.models.panoptic_fpn import PanopticFPN, SemanticBranch
from pixelwise.ops.resize import Resizing
from pixelwise.segmentation import Segmentation
from pixelwise.training.preparation.prepare_model import make_model
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.run import train
from pixelwise.weights.checkpoint import save
from pixelwise.weights.convert_weights import convert

FIVE = Classes(("sky", "car", "road", "person", "tree"), things=(False, True, False, True, False))
SMALL = {"backbone": "resnet18", "width": 16, "anchors": (8, 16, 32, 64, 128), "regions": 32}


@pytest.fixture(scope="module")
def small() -> PanopticFPN:
    torch.manual_seed(0)
    return pixelwise.create("panoptic_fpn", classes=FIVE, **SMALL)


def test_the_branch_has_the_tensors_that_the_published_one_has():
    """7 convolutions without a bias, as many group norms of 32 groups, one 1×1 with a bias: 23 tensors."""
    with torch.device("meta"):
        branch = SemanticBranch(256, 128, 54)
    shapes = {name: tuple(value.shape) for name, value in branch.state_dict().items()}
    assert len(shapes) == 23
    assert shapes["head.weight"] == (54, 128, 1, 1)
    assert shapes["head.bias"] == (54,)
    assert [len(level) for level in branch.levels] == [1, 1, 2, 3]
    for level in range(4):
        for k in range(max(1, level)):
            assert shapes[f"levels.{level}.{k}.0.weight"] == (128, 128 if k else 256, 3, 3)
            assert shapes[f"levels.{level}.{k}.1.weight"] == shapes[f"levels.{level}.{k}.1.bias"] == (128,)
    assert {m.num_groups for m in branch.modules() if isinstance(m, torch.nn.GroupNorm)} == {32}


def test_the_network_of_coco_is_as_large_as_the_published_one():
    """detectron2 counts 45,973,990 parameters.

    Ours have a row for the background in boxes and masks besides (1025 · 4 and 257), and count the 53,120 of batch
    normalisation in a ResNet-50, which are frozen there.
    """
    with torch.device("meta"):
        model = pixelwise.create("panoptic_fpn", classes=known_classes("coco-panoptic"), variant="detectron2")
    frozen = [
        p for m in model.instance.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in (m.weight, m.bias)
    ]
    ours = sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for p in frozen) == 53120
    assert ours - 4 * 1025 - 257 - 53120 == 45_973_990


@pytest.mark.slow
def test_equal_to_detectron2():
    """Semantic logits, loss, and the merged map pixel by pixel, at the size shown and at another."""
    record = json.loads(Path(__file__).parents[1].joinpath("golden/panoptic_fpn_detectron2.json").read_text("utf-8"))
    weights = state_dict(record["shapes"])
    for name, factor in record["scaled"].items():
        weights[name] *= factor
    for name, values in record["added"].items():
        weights[name] += torch.tensor(values)
    model = pixelwise.create(
        "panoptic_fpn", num_classes=7, things=[0, 1, 2, 3], backbone="resnet50", variant="detectron2"
    ).eval()
    loaded = pixelwise.load_weights(model, weights, "detectron2", resizing=Resizing())
    assert set(loaded.unused) <= {"pixel_mean", "pixel_std"}
    with torch.no_grad():
        outputs = model(make_image(*SHOWN))
        np.testing.assert_allclose(sixteen(outputs.semantic), record["quarter"], atol=1e-4)
        np.testing.assert_allclose(
            sixteen(F.interpolate(outputs.semantic, scale_factor=4, mode="bilinear")), record["whole"], atol=1e-4
        )
        stuff = semantic_truth()
        stuff[(stuff > 0) & (stuff != VOID)] += 3
        truth = Segmentation.from_class_map(stuff, model.classes)
        assert float(model.loss(outputs, [truth])["semantic"]) == pytest.approx(record["loss"], rel=1e-5)
        for size, expected in record["merged"].items():
            height, width = map(int, size.split("x"))
            model.resizing = Resizing(short_side=SHOWN[0])
            (actual,) = model.decode(outputs, [(height, width)])
            ids = np.repeat([value for _, value in expected["runs"]], [length for length, _ in expected["runs"]])
            assert np.array_equal(actual.ids.numpy(), ids.reshape(height, width))
            assert actual.labels.tolist() == expected["labels"]
            np.testing.assert_allclose(actual.scores[: len(expected["scores"])], expected["scores"], atol=1e-5)
            assert len(expected["scores"]) >= 4


def scene(classes: Classes = FIVE, stuff: bool = True) -> Segmentation:
    """64 × 64: sky above road, a car, two people who touch, a crowd of them, and a void strip."""
    ids = torch.full((64, 64), int(stuff), dtype=torch.int32)
    ids[32:] = 2 * stuff
    ids[20:44, 4:28], ids[10:40, 40:48], ids[10:40, 48:56], ids[50:60, 30:60] = 3, 4, 5, 6
    ids[:, 60:] = 0
    labels = torch.tensor([0, 2, 1, 3, 3, 3])
    return Segmentation(classes, labels, ids=ids, crowd=torch.tensor([False] * 5 + [True]))


def test_a_ground_truth_is_split_into_stuff_and_things(small):
    semantic, objects = small.semantic_map(scene()), small.objects(scene())
    assert semantic.unique().tolist() == [0, 1, 2, VOID]
    assert (semantic[0, 0], semantic[63, 0], semantic[30, 10], semantic[55, 40], semantic[0, 62]) == (1, 2, 0, 0, VOID)
    assert objects.labels.tolist() == [1, 2, 2, 2]
    assert objects.crowd.tolist() == [False, False, False, True]
    assert objects.areas().tolist() == [576, 240, 240, 300]
    assert len(objects.classes) == 3


def test_the_semantic_loss_is_half_the_mean_over_pixels_that_have_a_class(small):
    generator = torch.Generator().manual_seed(1)
    truth = torch.randint(0, 6, (64, 96), generator=generator)
    truth[truth == 5] = VOID
    with torch.no_grad():
        outputs = small.eval()(make_image(64, 96))
        actual = small.loss(outputs, [Segmentation.from_class_map(truth, FIVE)])["semantic"]
        logits = F.interpolate(outputs.semantic.double(), (64, 96), mode="bilinear")[0]
    mean = np.mean(
        [
            float(torch.logsumexp(logits[:, y, x], 0) - logits[{0: 1, 1: 0, 2: 2, 3: 0, 4: 3}[int(truth[y, x])], y, x])
            for y in range(64)
            for x in range(96)
            if truth[y, x] != VOID
        ]
    )
    assert float(actual) == pytest.approx(mean / 2, rel=1e-5)


@pytest.mark.parametrize("kept", [[0, 1], [2, 3, 4, 5], [5], []], ids=["no things", "no stuff", "a crowd", "only void"])
def test_images_that_lack_something_have_finite_losses_that_reach_every_parameter(small, kept):
    truth = scene().select(torch.tensor(kept, dtype=torch.int64))
    small.train().zero_grad()
    parts = small.loss(small(make_image(64, 64)), [truth])
    assert all(math.isfinite(part.item()) for part in parts.values())
    assert (parts["semantic"].item() == 0) == (kept == [])
    torch.stack(list(parts.values())).sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in small.parameters())
    small.eval()


def oracle(model: PanopticFPN, truth: Segmentation, height: int, width: int):
    """Outputs whose semantic logits are the ground truth at a quarter of the size, with no objects."""
    with torch.no_grad():
        outputs = model.eval()(torch.zeros(1, 3, height, width))
    semantic = model.semantic_map(truth)
    assert semantic.max() < outputs.semantic.shape[1]
    logits = F.one_hot(semantic, outputs.semantic.shape[1]).permute(2, 0, 1)[None].float() * 20
    return outputs._replace(
        semantic=F.avg_pool2d(logits, 4),
        regions=outputs.regions._replace(logits=tuple(x - 99 for x in outputs.regions.logits)),
    )


def test_stuff_is_where_it_is_and_small_stuff_is_void_by_the_size_of_the_image(small):
    class_map = torch.zeros(64, 96, dtype=torch.uint8)
    class_map[40:] = 2
    class_map[:8, :8] = 4  # 64 pixels, fewer than 64 · 96 / 75
    class_map[:12, 80:] = 1  # a thing without a detected object
    truth = Segmentation.from_class_map(class_map, FIVE)
    small.score_threshold = 0.9
    try:
        outputs = oracle(small, truth, 64, 96)
        (actual,) = small.decode(outputs, [(64, 96)])
        assert [FIVE.names[k] for k in actual.labels.tolist()] == ["sky", "road"]
        # A class of two pixels' width around a border may go to either side.
        expected = torch.where((class_map == 4) | (class_map == 1), VOID, class_map)
        assert (actual.class_map() != expected).float().mean() < 0.03
        assert bool((actual.scores > 0.9).all())
        small.stuff_area = 0
        (every,) = small.decode(outputs, [(64, 96)])
        assert [FIVE.names[k] for k in every.labels.tolist()] == ["sky", "road", "tree"]
    finally:
        small.stuff_area = None
        del small.score_threshold


def test_decoding_uses_its_own_thresholds_and_leaves_those_of_mask_rcnn():
    torch.manual_seed(0)
    model = pixelwise.create("panoptic_fpn", classes=FIVE, **SMALL).eval()
    model.score_threshold, model.max_detections, model.resizing = 0.1, 3, Resizing(short_side=64)
    instance = model.instance
    instance.score_threshold, instance.max_detections, instance.resizing = 0.9, 1, Resizing(square=32)
    with torch.no_grad():
        outputs = model(make_image(64, 96))
    (objects,) = model.instance.segment(outputs.regions, [(90, 135)], Resizing(short_side=64), 0.1, 3)
    (result,) = model.decode(outputs, [(90, 135)])
    assert len(objects) == 3
    assert result.size == (90, 135)
    assert 1 <= sum(FIVE.things[k] for k in result.labels.tolist()) <= 3
    assert (instance.score_threshold, instance.max_detections) == (0.9, 1)
    assert instance.resizing == Resizing(square=32)


def test_ratios_and_the_limit_of_stuff_are_saved_and_loaded(tmp_path):
    model = pixelwise.create("panoptic_fpn", classes=FIVE, **SMALL, ratios=[0.5, 2], stuff_area=7)
    save(model, tmp_path / "model.safetensors")
    loaded = pixelwise.load(tmp_path / "model.safetensors")
    assert loaded.instance.proposals.ratios == (0.5, 2.0)
    assert loaded.merging == model.merging
    assert loaded.arguments == {**model.arguments, "anchors": list(SMALL["anchors"])}


def test_the_limit_of_stuff_is_that_of_detectron2_in_its_variant(small):
    assert small.merging.stuff_area is None
    with torch.device("meta"):
        theirs = pixelwise.create("panoptic_fpn", classes=FIVE, variant="detectron2", width=16)
    assert theirs.merging.stuff_area == 4096


def test_things_come_from_the_classes(small):
    assert small.arguments["things"] == [1, 3]
    assert small.classes == FIVE
    named = pixelwise.create("panoptic_fpn", num_classes=3, things=[2], **SMALL)
    assert named.classes.things == (False, False, True)
    with pytest.raises(ValueError, match="none of the classes .*class 0.* is a thing"):
        pixelwise.create("panoptic_fpn", num_classes=3, **SMALL)
    with pytest.raises(ValueError, match=r"things is \[0\], but those of the given classes are \[1, 3\]"):
        pixelwise.create("panoptic_fpn", classes=FIVE, things=[0], **SMALL)
    for things in ([3], [1, 1], [-1], []):
        with pytest.raises(ValueError, match="things"):
            pixelwise.create("panoptic_fpn", num_classes=3, things=things, **SMALL)


def test_a_background_that_is_stuff_is_predicted_like_any_other():
    classes = Classes(("background", "things", "grass"), things=(False, True, False), background=0)
    model = pixelwise.create("panoptic_fpn", classes=classes, **SMALL)
    model.score_threshold = 0.9
    class_map = torch.zeros(64, 64, dtype=torch.uint8)
    class_map[30:] = 2
    (actual,) = model.decode(oracle(model, Segmentation.from_class_map(class_map, classes), 64, 64), [(64, 64)])
    assert actual.labels.tolist() == [0, 2]


def test_weights_of_others_want_classes_with_things(tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "theirs.pth")
    with pytest.raises(ValueError, match="distinguishes things from stuff, which its weights do not tell"):
        convert(tmp_path / "theirs.pth", "detectron2", "panoptic_fpn", tmp_path / "ours.safetensors")


def test_training_goes_on_with_other_things(tmp_path):
    save(pixelwise.create("panoptic_fpn", classes=FIVE, **SMALL), tmp_path / "start.safetensors")
    recipe = Recipe("d", model="panoptic_fpn", backbone="resnet18", weights=str(tmp_path / "start.safetensors"))
    model, notes = make_model(recipe, Classes(("ground", "ball"), things=(False, True), background=0))
    assert model.arguments["things"] == [1]
    assert model.arguments["width"] == 16
    assert "start anew: instance.boxes.head.scores.weight" in notes[0]
    anew = [name for name in model.state_dict() if ".head." in name]
    assert f"({len(anew)} in all)" in notes[0]
    assert "semantic.head.bias" in anew


@pytest.mark.parametrize("truth", ["instance", "semantic"])
def test_data_that_are_not_panoptic_are_refused(tmp_path, truth):
    recipe = Recipe(f"shapes:number=4,size=48,truth={truth}", model="panoptic_fpn", epochs=1, batch=2, imgsz=48)
    with pytest.raises(ValueError, match="panoptic methods take COCO panoptic or Cityscapes"):
        train(recipe, machine=Machine(device="cpu", workers=0, loggers=()), out=tmp_path / "run")


@pytest.mark.slow
def test_it_learns_to_tell_shapes_from_the_ground(tmp_path):
    recipe = Recipe(
        "shapes:number=72,size=64,max_objects=3,truth=panoptic", model="panoptic_fpn", epochs=6, batch=8,
        imgsz=64, lr=2e-3,
        arguments={"width": 32, "anchors": [8, 16, 32, 64, 128], "regions": 32}, scale=(0.9, 1.1), ema=0.9,
    )  # fmt: skip
    done = train(recipe, machine=Machine(device="cpu", precision="fp32", workers=0, loggers=()), out=tmp_path / "run")
    model = pixelwise.load(done.best)
    scores = pixelwise.evaluate(model, shapes(20, 64, seed=7, max_objects=3, truth="panoptic"), progress=False).scores
    assert scores["PQ things"] > 0.08
    assert scores["PQ"] > 0.24  # ground alone is 0.19
