"""Mask R-CNN compared with torchvision and detectron2 with the same weights, and on awkward ground truths."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filling import fill, make_image, sixteen, state_dict
from scene import HEIGHT, WIDTH, scene
from torch import nn

import pixelwise
from pixelwise.classes import Classes
from pixelwise.masks import Masks
from pixelwise.models.mask_rcnn.faster_rcnn import Detections, Regions, truth_objects
from pixelwise.models.mask_rcnn.mask_rcnn import VARIANTS, MaskRCNN
from pixelwise.models.mask_rcnn.paste import paste
from pixelwise.ops.resize import Resizing
from pixelwise.segmentation import Segmentation
from pixelwise.weights.checkpoint import save

RECORD = Path(__file__).parents[2] / "golden" / "mask_rcnn_detectron2.json"
EVERY = 10**6
MAX_DETECTIONS = 30
"""Objects that are compared; among more, the scores of two are sooner or later equal but for rounding."""

FIVE, SEVEN = Classes.numbered(5), Classes.numbered(7)


def sample_all(model: MaskRCNN) -> None:
    """Sample every anchor and every region in training."""
    for part in (model.proposals, model.boxes, model.masks):
        part.variant = replace(part.variant, anchors_sampled=EVERY, regions_sampled=EVERY)


def small(**arguments) -> MaskRCNN:
    torch.manual_seed(0)
    anchors = (8, 16, 32, 64, 128)
    return pixelwise.create(
        "mask_rcnn", num_classes=5, **{"backbone": "resnet18", "width": 16, "anchors": anchors, **arguments}
    )


def truth(masks: torch.Tensor, labels: torch.Tensor, classes: Classes = SEVEN, crowd=None) -> Segmentation:
    return Segmentation(classes, labels, masks=masks, crowd=crowd)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Use one thread, as for the record: sums in another order change the last digits of scores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["torchvision", "torchvision_v2"])
def pair(request):
    """The network of torchvision, and ours with its weights."""
    from torchvision.models import detection

    make = {"torchvision": "maskrcnn_resnet50_fpn", "torchvision_v2": "maskrcnn_resnet50_fpn_v2"}[request.param]
    theirs = fill(getattr(detection, make)(weights=None, weights_backbone=None, num_classes=7))
    if request.param == "torchvision":
        for layer in theirs.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = torch.finfo(torch.float32).tiny  # 0 for its published weights, which torch 2.11 refuses
    for block in theirs.backbone.fpn.inner_blocks:
        block[0].weight.data *= 0.01  # maps are about 1, so that rounding errors stay small
    theirs.rpn.head.bbox_pred.weight.data *= 0.1
    theirs.roi_heads.box_predictor.bbox_pred.weight.data *= 0.3
    theirs.roi_heads.detections_per_img = MAX_DETECTIONS
    scores, logits = theirs.roi_heads.box_predictor.cls_score, []
    scores.weight.data *= 6
    hook = scores.register_forward_hook(lambda layer, given, out: logits.append(out))
    theirs.transform.min_size, theirs.transform.max_size = (200,), 10_000
    with torch.no_grad():
        theirs(list(make_image(200, 300)))
    hook.remove()
    scores.bias.data -= logits[0].mean(0)  # so that no class wins everywhere
    ours = pixelwise.create("mask_rcnn", num_classes=7, variant=request.param).eval()
    ours.max_detections = MAX_DETECTIONS
    eps = next(layer.eps for layer in theirs.modules() if isinstance(layer, nn.BatchNorm2d))
    loaded = pixelwise.load_weights(ours, theirs.state_dict(), "torchvision", resizing=Resizing(), batch_norm_eps=eps)
    assert loaded.unused == {}
    return theirs, ours


@pytest.mark.slow
@pytest.mark.parametrize("size", [(200, 300), (97, 131)])
def test_predictions_equal_torchvision(pair, size):
    theirs, ours = pair
    theirs.eval()
    theirs.transform.min_size, theirs.transform.max_size = (min(size),), 10_000
    with torch.no_grad():
        expected = theirs(list(make_image(*size)))[0]
        outputs = ours(make_image(*size))
        (detections,) = ours.detect(outputs, [size], ours.score_threshold, MAX_DETECTIONS)
        (soft,) = ours.predict_masks(outputs, [detections])
        (result,) = ours.decode(outputs, [size])
    assert len(detections.boxes) == MAX_DETECTIONS
    assert len(detections.labels.unique()) >= 3
    assert torch.equal(detections.labels, expected["labels"])
    torch.testing.assert_close(detections.boxes, expected["boxes"], rtol=0, atol=1e-3)
    torch.testing.assert_close(detections.scores, expected["scores"], rtol=0, atol=1e-5)
    full = paste(soft, detections.boxes, size, whole_pixels=True)
    torch.testing.assert_close(full, expected["masks"][:, 0], rtol=0, atol=1e-4)
    unsure = (full - 0.5).abs() < 1e-4
    assert not ((result.masks.dense() != (expected["masks"][:, 0] >= 0.5)) & ~unsure).any()


@pytest.mark.slow
@pytest.mark.parametrize("empty", [False, True])
def test_losses_equal_torchvision(pair, empty):
    theirs, ours = pair
    masks, labels = scene()
    masks, labels = (masks[:0], labels[:0]) if empty else (masks, labels)
    boxes = Masks.from_dense(masks).boxes().float()
    theirs.train()
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    theirs.transform.min_size, theirs.transform.max_size = (HEIGHT,), 10_000
    theirs.rpn.fg_bg_sampler.batch_size_per_image = theirs.roi_heads.fg_bg_sampler.batch_size_per_image = EVERY
    sample_all(ours)
    with torch.no_grad():
        expected = theirs(
            list(make_image(HEIGHT, WIDTH)), [{"boxes": boxes, "labels": labels, "masks": masks.to(torch.uint8)}]
        )
        actual = ours.loss(ours(make_image(HEIGHT, WIDTH)), [truth(masks, labels)])
    names = {
        "objectness": "loss_objectness",
        "proposals": "loss_rpn_box_reg",
        "classes": "loss_classifier",
        "boxes": "loss_box_reg",
        "masks": "loss_mask",
    }
    assert {n: float(actual[n]) for n in names} == pytest.approx(
        {n: float(expected[theirs]) for n, theirs in names.items()}, rel=1e-4, abs=1e-7
    )


@pytest.fixture(scope="module")
def record():
    return json.loads(RECORD.read_text("utf-8"))


@pytest.fixture(scope="module")
def of_detectron2(record):
    weights = state_dict(record["shapes"])
    for name, factor in record["scaled"].items():
        weights[name] *= factor
    weights["roi_heads.box_predictor.cls_score.bias"] = torch.tensor(record["bias"])
    model = pixelwise.create("mask_rcnn", num_classes=7, variant="detectron2").eval()
    model.max_detections = MAX_DETECTIONS
    assert pixelwise.load_weights(model, weights, "detectron2", resizing=Resizing()).unused == {}
    return model


@pytest.mark.slow
@pytest.mark.parametrize("size", [(200, 300), (97, 131)])
def test_predictions_equal_detectron2(record, of_detectron2, size):
    expected = record["found"]["{}x{}".format(*size)]
    with torch.no_grad():
        outputs = of_detectron2(make_image(*size))
        (detections,) = of_detectron2.detect(outputs, [size], of_detectron2.score_threshold, MAX_DETECTIONS)
        (soft,) = of_detectron2.predict_masks(outputs, [detections])
        (result,) = of_detectron2.decode(outputs, [size])
    assert len(expected["labels"]) == MAX_DETECTIONS
    assert detections.labels.tolist() == expected["labels"]
    torch.testing.assert_close(detections.boxes, torch.tensor(expected["boxes"]), rtol=0, atol=1e-3)
    torch.testing.assert_close(detections.scores, torch.tensor(expected["scores"]), rtol=0, atol=1e-5)
    assert sixteen(soft) == pytest.approx(expected["soft"], abs=1e-4)
    assert (result.areas() - torch.tensor(expected["areas"])).abs().max() <= 2  # a pixel at 0.5 falls on either side


@pytest.mark.slow
def test_losses_equal_detectron2(record, of_detectron2):
    masks, labels = scene()
    sample_all(of_detectron2)
    with torch.no_grad():
        actual = of_detectron2.loss(of_detectron2(make_image(HEIGHT, WIDTH)), [truth(masks, labels)])
    expected = record["losses"]
    assert float(actual["objectness"]) * EVERY == pytest.approx(expected["loss_rpn_cls"], rel=1e-4)
    assert float(actual["proposals"]) * EVERY == pytest.approx(expected["loss_rpn_loc"], rel=1e-4)
    for ours, theirs in (("classes", "loss_cls"), ("boxes", "loss_box_reg"), ("masks", "loss_mask")):
        assert float(actual[ours]) == pytest.approx(expected[theirs], rel=2e-3)


def test_the_number_of_parameters_is_the_published_one():
    with torch.device("meta"):
        numbers = {
            variant: sum(p.numel() for p in MaskRCNN(91, variant=variant).parameters())
            for variant in ("torchvision", "torchvision_v2")
        }
        caffe = MaskRCNN(81, variant="detectron2")
    norms = sum(p.numel() for name, p in caffe.backbone.named_parameters() if p.ndim == 1)
    background = 4 * 1025 + 257  # the rows of a background that has no box and no mask
    assert numbers["torchvision"] - norms == 44_401_393
    assert numbers["torchvision_v2"] == 46_359_409
    assert sum(p.numel() for p in caffe.parameters()) - norms - background == 44_343_216


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("number", [0, 500])
def test_none_and_five_hundred(variant, number):
    generator = torch.Generator().manual_seed(1)
    backbone = "tf_efficientnet_lite0" if variant == "detectron2" else "resnet18"  # ResNets must have bottlenecks here
    model = small(variant=variant, backbone=backbone, class_agnostic=number == 0).train()
    for layer in model.backbone.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.eps < 1e-30:
            layer.eval()  # as with `norm: frozen`
    corner = torch.rand(number, 2, generator=generator) * 60
    masks = torch.zeros(number, 64, 64, dtype=torch.bool)
    for mask, (x, y) in zip(masks, corner.int().tolist(), strict=True):
        mask[y : y + 6, x : x + 3] = True  # they overlap; some have a pixel or two at the border
    labels = torch.randint(1, 5, (number,), generator=generator)
    parts = model.loss(model(make_image(64, 64)), [truth(masks, labels, FIVE)])
    torch.stack(list(parts.values())).sum().backward()
    assert all(bool(part.isfinite()) for part in parts.values())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name


def test_targets_equal_those_of_masks_at_full_size():
    from torchvision.ops import roi_align

    model = small(variant="torchvision")
    masks, labels = scene()
    expected = [truth_objects(truth(masks, labels, FIVE))]
    boxes = expected[0].boxes
    shifted = torch.cat([boxes, boxes + torch.tensor([-3.5, 2.25, 4.0, 1.5]), boxes - 1.25])
    shifted[:, 0::2], shifted[:, 1::2] = shifted[:, 0::2].clamp(0, WIDTH), shifted[:, 1::2].clamp(0, HEIGHT)
    regions = model.boxes.sample_regions([shifted], expected)
    positive = regions.labels[0] > 0
    assert positive.sum() >= 12
    rois = torch.cat([regions.owners[0][positive, None].float(), regions.boxes[0][positive]], 1)
    dense = roi_align(masks[:, None].float(), rois, 28, 1.0, -1, False)[:, 0]
    torch.testing.assert_close(model.masks.targets(regions, expected), dense, rtol=0, atol=2e-5)


def test_masks_come_back_to_where_their_objects_are():
    """Decoding to an image of another size, with boxes and masks of the ground truth."""
    model = small().eval()
    model.resizing = Resizing(short_side=80)
    model.masks.variant = replace(model.masks.variant, soft_targets=True)
    masks, labels = scene()
    expected = truth_objects(truth(masks, labels, FIVE))
    soft = model.masks.targets(Regions([expected.boxes], [labels], [torch.arange(5)]), [expected])
    model.detect = lambda *_: [Detections(expected.boxes / 2, labels, torch.ones(5))]
    model.predict_masks = lambda outputs, detections: [soft]
    with torch.no_grad():
        (result,) = model.decode(model(make_image(80, 128)), [(HEIGHT, WIDTH)])
    assert result.size == (HEIGHT, WIDTH)
    for actual, mask in zip(result.masks.dense(), masks, strict=True):
        if mask.sum() > 3:
            assert (actual & mask).sum() / (actual | mask).sum() > 0.95
        shift = actual.nonzero().float().mean(0) - mask.nonzero().float().mean(0)
        assert shift.abs().max() < 0.5


def test_anchors_and_ratios_are_saved_and_loaded(tmp_path):
    model = small(ratios=[0.25, 1, 2, 4], anchors=[4, 8, 16, 32, 64], regions=16)
    save(model, tmp_path / "model.safetensors")
    loaded = pixelwise.load(tmp_path / "model.safetensors")
    with torch.no_grad():
        expected, outputs = model.eval()(make_image(64, 64)), loaded(make_image(64, 64))
    assert loaded.arguments == model.arguments
    assert outputs.logits[0].shape == (1, 4, 16, 16)
    for ours, theirs in zip(
        loaded.proposals.anchors(outputs.logits), model.proposals.anchors(expected.logits), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert loaded.boxes.variant.regions_sampled == 16
    assert loaded.decode(outputs, [(64, 64)]) == model.decode(expected, [(64, 64)])


def test_wrong_arguments():
    with pytest.raises(ValueError, match="no variant 'torchvison' of mask_rcnn.*torchvision"):
        MaskRCNN(3, variant="torchvison")
    with pytest.raises(ValueError, match="give 5 sides"):
        MaskRCNN(3, backbone="resnet18", anchors=(32, 64))
    with pytest.raises(ValueError, match="a background and one class"):
        MaskRCNN(1)
    with pytest.raises(ValueError, match="'vit_tiny_patch16_224' has maps of strides 16, .* needs 4, 8, 32 too"):
        MaskRCNN(3, backbone="vit_tiny_patch16_224")
    for ratios in ([], [1, 0]):
        with pytest.raises(ValueError, match="ratios are"):
            MaskRCNN(3, backbone="resnet18", ratios=ratios)
    with pytest.raises(ValueError, match="regions is 0"):
        MaskRCNN(3, backbone="resnet18", regions=0)
