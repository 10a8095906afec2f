"""Weights of another library bring the settings of its program: the same results, not only the same tensors."""

from __future__ import annotations

import pytest
import torch
from filling import fill, make_image
from torch import nn

import pixelwise
from pixelwise.data.recognition.known_classes import known_classes
from pixelwise.models.base import Model
from pixelwise.ops.resize import Resizing
from pixelwise.weights.convert_weights import convert
from pixelwise.weights.programs import PROGRAMS, Settings, apply_program, backbone_norms
from pixelwise.weights.published import PRESETS
from pixelwise.weights.rename import LAYOUTS

COCO = Resizing(short_side=800, long_side=1333)


def weightless(name: str, num_classes: int = 81, **arguments) -> Model:
    with torch.device("meta"):
        return pixelwise.create(name, num_classes=num_classes, **arguments)


def test_each_table_has_a_program():
    for layout, tables in LAYOUTS.items():
        assert {table.architecture for table in tables} == PROGRAMS[layout].keys()


@pytest.mark.parametrize(
    ("layout", "model", "arguments", "resizing"),
    [
        ("torchvision", "mask_rcnn", {"variant": "torchvision"}, COCO),
        ("torchvision", "deeplabv3", {"variant": "torchvision"}, Resizing(short_side=520)),
        ("detectron2", "mask_rcnn", {"variant": "detectron2"}, COCO),
        ("yolact", "yolact", {"variant": "authors"}, Resizing(square=550)),
        ("yolact", "yolact", {"variant": "authors", "size": 700}, Resizing(square=700)),
        ("solo", "solo", {}, COCO),
        ("mmdet", "decoupled_solo", {"convs": 4, "shared": True}, Resizing(short_side=512, long_side=852)),
        ("solo", "solov2", {"convs": 2, "width": 256, "features": 128}, Resizing(short_side=448, long_side=768)),
        ("smp", "unet", {"backbone": "resnet18"}, Resizing()),
        ("milesial", "unet_padded", {}, Resizing()),
    ],
)
def test_how_images_are_resized(layout, model, arguments, resizing):
    made = weightless(model, **arguments)
    notes = apply_program(made, layout, {}, Settings())
    assert made.resizing == resizing
    assert any(layout in note and "resizing" in note for note in notes) == (resizing != Resizing())


def test_semseg_resizes_by_its_data():
    for number, resizing in ((150, Resizing(long_side=512)), (21, Resizing(long_side=512)), (19, Resizing())):
        model = weightless("pspnet", number, backbone="resnet50s")
        apply_program(model, "semseg", {}, Settings())
        assert model.resizing == resizing


@pytest.mark.parametrize("name", PRESETS)
def test_presets_resize_as_their_layout_does(name):
    preset = PRESETS[name]
    program = PROGRAMS[preset.layout][preset.model]
    usual = program.resizing(preset.arguments, len(known_classes(preset.classes)))
    assert preset.resizing == (usual or Resizing())


def test_what_the_caller_states_wins():
    model = weightless("mask_rcnn", variant="detectron2")
    notes = apply_program(model, "detectron2", {}, Settings(Resizing(short_side=400), 0.3, 20))
    assert (model.resizing, model.score_threshold, model.max_detections) == (Resizing(short_side=400), 0.3, 20)
    assert notes == (
        "resizing: images are resized to a shorter side of 400 pixels, as you set it; detectron2's program: a shorter "
        "side of 800 and a longer side of at most 1333 pixels",
        "score_threshold: 0.3, as you set it; detectron2's program: 0.05",
        "max_detections: 20, as you set it; detectron2's program: 100",
    )
    model = weightless("mask_rcnn", variant="detectron2")
    assert "shown as they are, as you set it" in apply_program(model, "detectron2", {}, Settings(Resizing()))[0]
    assert model.resizing == Resizing()


@pytest.mark.parametrize("settings", [{"score_threshold": 30}, {"max_detections": 0}, {"batch_norm_eps": 0.0}])
def test_settings_out_of_their_range(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"{name} is "):
        Settings(**settings)


def test_what_the_caller_has_set_on_the_model_wins():
    model = weightless("panoptic_fpn", 7, things=[1, 2], variant="detectron2")
    model.resizing, model.score_threshold = Resizing(short_side=400), 0.7
    notes = apply_program(model, "detectron2", {}, Settings())
    assert (model.resizing, model.score_threshold, model.max_detections) == (Resizing(short_side=400), 0.7, 100)
    assert len(notes) == 2


def test_a_threshold_of_a_program_replaces_that_of_the_class(monkeypatch):
    model = weightless("solo")
    monkeypatch.setattr(type(model), "score_threshold", 0.2)
    assert "score_threshold: 0.05, as in solo's program" in apply_program(model, "solo", {}, Settings())
    assert model.score_threshold == 0.05


def test_semantic_models_have_no_threshold():
    with pytest.raises(ValueError, match=r"score_threshold is 0\.3, but pspnet detects no objects"):
        pixelwise.load_weights(weightless("pspnet"), {"x": torch.zeros(1)}, "smp", score_threshold=0.3)


def test_trainable_normalisation_has_pytorch_s_eps():
    """torchvision's Mask R-CNN without pretrained weights counts its batches; its published weights are frozen."""
    counters = {"backbone.body.bn1.num_batches_tracked": torch.tensor(0)}
    for theirs, stated, eps, said in (
        ({}, None, torch.finfo(torch.float32).tiny, "batch_norm_eps: 0 in the backbone"),
        (counters, None, 1e-5, "batch_norm_eps: 1e-05 in the backbone"),
        (counters, 1e-3, 1e-3, None),
    ):
        model = weightless("mask_rcnn", variant="torchvision")
        notes = apply_program(model, "torchvision", theirs, Settings(batch_norm_eps=stated))
        assert {layer.eps for layer in backbone_norms(model)} == {eps}
        assert len(backbone_norms(model)) == 53
        assert [note for note in notes if note.startswith("batch_norm")][:1] == [
            note for note in notes if said and note.startswith(said)
        ]


@pytest.fixture(scope="module")
def torchvision_model():
    """torchvision's network, without pretrained weights, in which each of six classes is found somewhere."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    theirs = fill(maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=7))
    for layer in theirs.backbone.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_var *= 1e-3  # so small that eps counts
            layer.weight.data *= 0.03
    for block in theirs.backbone.fpn.inner_blocks:
        block[0].weight.data *= 0.01
    theirs.rpn.head.bbox_pred.weight.data *= 0.1
    theirs.roi_heads.box_predictor.bbox_pred.weight.data *= 0.3
    scores, logits = theirs.roi_heads.box_predictor.cls_score, []
    scores.weight.data *= 6
    hook = scores.register_forward_hook(lambda layer, given, out: logits.append(out))
    with torch.no_grad():
        theirs(list(make_image(800, 832)))
    hook.remove()
    scores.bias.data -= logits[0].mean(0)  # no class is everywhere
    return theirs


@pytest.mark.slow
def test_predict_gives_the_objects_of_torchvision_s_program(torchvision_model, tmp_path):
    """From the image to the masks, through a checkpoint, at 800 pixels, where neither program resizes."""
    torch.save(torchvision_model.state_dict(), tmp_path / "theirs.pth")
    converted = convert(
        tmp_path / "theirs.pth", "torchvision", "mask_rcnn", tmp_path / "ours.safetensors",
        arguments={"variant": "torchvision", "backbone": "resnet50"},
    )  # fmt: skip
    assert [note.partition(":")[0] for note in converted.notes] == ["resizing", "batch_norm_eps"]
    model = pixelwise.load(tmp_path / "ours.safetensors")
    assert (model.resizing, model.score_threshold, model.max_detections) == (COCO, 0.05, 100)
    image = (make_image(800, 832)[0] * 255).round().to(torch.uint8)
    with torch.no_grad():
        theirs = torchvision_model([image / 255])[0]
    found = pixelwise.Predictor(model, device="cpu", score_threshold=0.0)(image)
    masks = theirs["masks"][:, 0] >= 0.5
    kept = masks.flatten(1).any(1)  # ours leaves objects without a pixel out
    assert 10 < len(found) == kept.sum()
    torch.testing.assert_close(found.scores, theirs["scores"][kept], atol=1e-5, rtol=0)
    assert found.labels.tolist() == theirs["labels"][kept].tolist()
    ours = found.as_masks().dense()
    assert float((ours != masks[kept]).float().mean()) < 1e-6
    with torch.no_grad():
        outputs = model(image[None] / 255)
        (boxes,) = model.detect(outputs, [(800, 832)], model.score_threshold, model.max_detections)
    torch.testing.assert_close(boxes.boxes, theirs["boxes"], atol=2e-3, rtol=0)


@pytest.mark.slow
def test_smaller_images_are_resized_as_in_torchvision(torchvision_model):
    """The filters for enlarging differ in the last digits, the objects hardly."""
    model = pixelwise.create("mask_rcnn", num_classes=7, variant="torchvision").eval()
    pixelwise.load_weights(model, torchvision_model.state_dict(), "torchvision")
    image = (make_image(400, 416)[0] * 255).round().to(torch.uint8)
    with torch.no_grad():
        theirs = torchvision_model([image / 255])[0]
    found = pixelwise.Predictor(model, device="cpu", score_threshold=0.0)(image)
    assert model.resizing.size(400, 416) == (800, 832)
    best = min(len(found), len(theirs["scores"]), 10)
    assert best > 5
    torch.testing.assert_close(found.scores[:best], theirs["scores"][:best], atol=0.02, rtol=0)
