"""FCN: the numbers of the authors' networks, and the reasons behind their offsets."""

from __future__ import annotations

import pytest
import torch
from filling import fill, make_image
from torch import nn

import pixelwise
from pixelwise.classes import VOID
from pixelwise.models.fcn import AT_ONCE_SCALES, Upsampling
from pixelwise.segmentation import Segmentation

NAMES = ("fcn32s", "fcn16s", "fcn8s")


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters", "tensors"),
    [("fcn32s", 136_152_917, 33), ("fcn16s", 134_815_994, 36), ("fcn8s", 134_489_759, 39)],
)
def test_the_counts_of_the_published_files(name, parameters, tensors):
    """With their upsampling kernels, which are parameters only where they are learned."""
    with torch.device("meta"):
        learned = pixelwise.create(name, num_classes=21, learned=True)
        fixed = pixelwise.create(name, num_classes=21)
    assert (count(learned), len(learned.state_dict())) == (parameters, tensors)
    assert count(fixed) == parameters - sum(p.numel() for p in learned.head.up.parameters())


@pytest.mark.parametrize(("factor", "side"), [(2, 4), (8, 16), (16, 32), (32, 64)])
def test_upsampling_is_a_bilinear_kernel(factor, side):
    """Weights (1 − |y − c| / f)(1 − |x − c| / f) on the diagonal, c = f − 0.5; fixed and learned agree."""
    learned, fixed = (Upsampling(3, factor, learned) for learned in (True, False))
    kernel = learned.conv.weight
    assert kernel.shape == (3, 3, side, side)
    for y, x in ((0, 0), (1, factor), (side - 1, 2)):
        expected = (1 - abs(y - factor + 0.5) / factor) * (1 - abs(x - factor + 0.5) / factor)
        assert kernel[1, 1, y, x].item() == pytest.approx(expected)
        assert kernel[1, 2, y, x] == 0
    maps = torch.randn(2, 3, 4, 3)
    assert fixed(maps).shape == (2, 3, 5 * factor, 4 * factor)
    torch.testing.assert_close(fixed(maps), learned(maps), atol=1e-5, rtol=0)
    assert not list(fixed.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_learned_upsampling_starts_where_the_fixed_one_stays(name):
    fixed = fill(pixelwise.create(name, num_classes=3, width=2))
    learned = pixelwise.create(name, num_classes=3, width=2, learned=True).eval()
    left = learned.load_state_dict(fixed.state_dict(), strict=False)
    assert all(key.startswith("head.up.") for key in left.missing_keys)
    with torch.no_grad():
        torch.testing.assert_close(learned(make_image(50, 71)), fixed(make_image(50, 71)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_offsets_keep_the_map_in_place(name):
    """fc6 sees the most of one pixel where that pixel is: the gradient of a score is centred on it."""
    model = pixelwise.create(name, num_classes=1, width=1).eval()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
            nn.init.constant_(layer.bias, 10)  # keeps every ReLU open
    seen = make_image(161, 161).requires_grad_()
    model(seen).logits[0, 0, 76:84, 76:84].sum().backward()
    weight = seen.grad[0].abs().sum(0)
    rows = torch.arange(161.0)
    centre = (weight.sum(1) @ rows / weight.sum(), weight.sum(0) @ rows / weight.sum())
    assert all(abs(c.item() - 79.5) < 4 for c in centre), centre


@pytest.mark.parametrize("size", [(1, 1), (2, 501), (33, 65), (131, 97)])
@pytest.mark.parametrize("name", NAMES)
def test_the_output_is_as_large_as_the_image(name, size):
    model = pixelwise.create(name, num_classes=2, width=1).eval()
    with torch.no_grad():
        assert model(make_image(*size)).logits.shape == (1, 2, *size)


def test_at_once_scales_the_skips_down():
    """0.01 and 0.0001 before the scores: the same as smaller score weights."""
    staged, at_once = (fill(pixelwise.create("fcn8s", num_classes=3, width=2, at_once=a)) for a in (False, True))
    image = make_image(40, 40)
    with torch.no_grad():
        assert not torch.allclose(staged(image).logits, at_once(image).logits)
        for score, scale in zip(staged.head.scores[1:], AT_ONCE_SCALES, strict=True):
            score.weight.mul_(scale)
        torch.testing.assert_close(staged(image).logits, at_once(image).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("arguments", [{"width": 2}, {"width": 2, "learned": True}, {"backbone": "resnet18"}])
def test_a_finer_one_begins_as_the_coarser_one(arguments):
    """Section 4.2: what they share has the same names, and new scores begin at zero."""
    coarser = pixelwise.create("fcn32s", num_classes=3, **arguments).eval()
    filled = fill(pixelwise.create("fcn32s", num_classes=3, **{**arguments, "learned": False})).state_dict()
    coarser.load_state_dict(filled, strict=False)
    for name in NAMES[1:]:
        finer = pixelwise.create(name, num_classes=3, **arguments).eval()
        shapes = {key: value.shape for key, value in finer.state_dict().items()}
        equal = {k: v for k, v in coarser.state_dict().items() if shapes.get(k) == v.shape}
        assert len(equal) >= len(coarser.state_dict()) - 2  # learned: the last upsampling is another
        finer.load_state_dict(equal, strict=False)
        with torch.no_grad():
            deep = finer(make_image(64, 64)).logits
            before = coarser(make_image(64, 64)).logits
        assert (deep - before).abs().mean() < 0.1 * before.abs().mean()
        coarser = finer


def test_scores_begin_at_zero():
    model = pixelwise.create("fcn8s", num_classes=3, width=2)
    with torch.no_grad():
        assert not model(make_image(20, 20)).logits.any()
    assert "head.scores.0.weight" in model.state_dict()


@pytest.mark.parametrize(("name", "strides"), [("fcn32s", [32]), ("fcn16s", [32, 16]), ("fcn8s", [32, 16, 8])])
def test_an_encoder_s_maps_at_strides_32_16_and_8(name, strides):
    model = pixelwise.create(name, num_classes=2, backbone="resnet18")
    assert [model.backbone.strides[k] for k in model.map_indices] == strides
    assert [layer.in_channels for layer in model.head.scores] == [512, 256, 128][: len(strides)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "parameters", "tensors"), [("resnet50", 35_322_218, 334), ("resnet101", 54_314_346, 640)]
)
def test_the_counts_of_torchvision(backbone, parameters, tensors):
    model = pixelwise.create("fcn_resnet", num_classes=21, backbone=backbone)
    assert (count(model), len(model.state_dict())) == (parameters, tensors)


def test_the_auxiliary_classifier_weighs_a_half_and_is_for_training_only():
    model = fill(pixelwise.create("fcn_resnet", num_classes=3, backbone="resnet18"))
    truth = torch.randint(0, 3, (40, 24), dtype=torch.uint8)
    truth[:4] = VOID
    truths = [Segmentation.from_class_map(truth, model.classes)]
    with torch.no_grad():
        outputs = model(make_image(40, 24))
        parts = model.loss(outputs, truths)
        alone = model.loss(outputs._replace(logits=outputs.auxiliary[0], auxiliary=()), truths)
        torch.testing.assert_close(parts["auxiliary"], alone["cross_entropy"] / 2)
        model.auxiliary_heads = False
        assert model(make_image(40, 24)).auxiliary == ()


def test_arguments_that_cannot_be():
    for arguments, message in (
        ({"width": 0}, "width is 0"),
        ({"backbone": "resnet18", "learned": True}, "are for the paper's own VGG16"),
        ({"backbone": "vit_tiny_patch16_224"}, "strides 16, but FCN16s needs 2 different ones"),
    ):
        with pytest.raises(ValueError, match=message):
            pixelwise.create("fcn16s", num_classes=2, **arguments)
