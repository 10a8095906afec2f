"""DeepLab v1: the layers, sizes and parameters of LargeFOV, and where its scores stand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from filling import fill, make_image
from torch import nn

import pixelwise
from pixelwise.classes import VOID, Classes
from pixelwise.segmentation import Segmentation

THREE = Classes.numbered(3)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def small():
    return fill(pixelwise.create("deeplabv1", num_classes=3, width=4))


def test_the_paper_s_counts():
    assert count(pixelwise.create("deeplabv1", num_classes=21)) == 20_505_429
    multiscale = pixelwise.create("deeplabv1", num_classes=21, multiscale=True)
    assert multiscale.head.in_channels == 1024 + 640
    taps = [(3, 8), (64, 4), (128, 2), (256, 1), (512, 1)]  # the image and four poolings, with the stride to 8
    assert [(m[0].in_channels, m[0].stride[0]) for m in multiscale.mlps] == taps
    assert count(multiscale) == 20_505_429 + sum(9 * 128 * d + 128 + 128 * 129 + 128 * 21 for d, _ in taps)


def test_the_layers_in_order(small):
    """Kernel, stride, dilation; the paddings keep the size but for the strides."""
    layers = []

    def note(layer, _, __):
        kernel, stride, dilation, padding = (
            value if isinstance(value, int) else value[0]
            for value in (layer.kernel_size, layer.stride, getattr(layer, "dilation", 1), layer.padding)
        )
        assert padding == dilation * (kernel // 2)
        kind = {nn.Conv2d: "", nn.MaxPool2d: "max ", nn.AvgPool2d: "average "}[type(layer)]
        layers.append(f"{kind}{kernel}/{stride}" + (f" at {dilation}" if dilation > 1 else ""))

    kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    hooks = [m.register_forward_hook(note) for m in small.modules() if isinstance(m, kinds)]
    small(make_image(20, 20))
    for hook in hooks:
        hook.remove()
    two, three = ["3/1"] * 2, ["3/1"] * 3
    assert layers == [
        *(*two, "max 3/2", *two, "max 3/2", *three, "max 3/2", *three, "max 3/1"),
        *(["3/1 at 2"] * 3), "max 3/1", "average 3/1", "3/1 at 12", "1/1", "1/1",
    ]  # fmt: skip


@pytest.mark.parametrize(("side", "scores", "inside"), [(321, 41, 41), (513, 65, 65), (306, 40, 39), (8, 2, 1)])
def test_the_paper_s_sizes(small, side, scores, inside):
    seen = []
    hook = small.head.register_forward_hook(lambda _, __, y: seen.append(tuple(y.shape)))
    with torch.no_grad():
        outputs = small(make_image(side, 9))
    hook.remove()
    assert seen == [(1, 3, scores, 2)]
    assert outputs.auxiliary[0].shape == (1, 3, inside, 2)
    assert outputs.logits.shape == (1, 3, side, 9)


@pytest.mark.parametrize("name", ["blocks.4.0", "fc6"])
def test_holes_are_a_larger_kernel_of_zeros(small, name):
    conv = small.backbone.get_submodule(name)
    rate, side = conv.dilation[0], 2 * conv.dilation[0] + 1
    spread = torch.zeros(*conv.weight.shape[:2], side, side)
    spread[..., ::rate, ::rate] = conv.weight.detach()
    x = torch.randn(1, conv.in_channels, 30, 31)
    with torch.no_grad():
        torch.testing.assert_close(conv(x), F.conv2d(x, spread, conv.bias, padding=rate), atol=1e-5, rtol=1e-5)
    assert side == {"blocks.4.0": 5, "fc6": 25}[name]


def test_a_score_sees_217_pixels_on_each_side_of_its_own():
    """1 + Σ (effective kernel − 1) · stride before = 435 pixels, around pixel 8i."""
    model = pixelwise.create("deeplabv1", num_classes=2, width=1).double().eval()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1.0)
    i = 30
    plain = torch.full((1, 3, 8 * 2 * i + 1, 9), 0.7, dtype=torch.float64)
    with torch.no_grad():
        before = model(plain).auxiliary[0][0, 0, i, 0]
        for row, seen in ((-218, False), (-217, True), (0, True), (217, True), (218, False)):
            image = plain.clone()
            image[:, :, 8 * i + row] = 1.0
            assert (model(image).auxiliary[0][0, 0, i, 0] > before) == seen


def test_the_logits_pass_through_the_scores(small):
    with torch.no_grad():
        logits, (scores,) = small(make_image(70, 52))
    torch.testing.assert_close(logits[..., ::8, ::8], scores, atol=1e-5, rtol=1e-5)
    middle = (scores[..., 3, 2] + scores[..., 4, 2]) / 2
    torch.testing.assert_close(logits[..., 28, 16], middle, atol=1e-5, rtol=1e-5)


def test_every_eighth_pixel_of_the_truth_counts(small):
    truth = torch.randint(0, 3, (37, 44), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    truth[8, 16] = VOID
    with torch.no_grad():
        outputs = small(make_image(37, 44))
    expected = F.cross_entropy(outputs.auxiliary[0], truth[None, ::8, ::8].long(), ignore_index=VOID)
    truth[4::8] = VOID  # says nothing
    actual = small.loss(outputs, [Segmentation.from_class_map(truth, THREE)])
    assert actual.keys() == {"cross_entropy"}
    torch.testing.assert_close(actual["cross_entropy"], expected)


def test_predicting_does_not_keep_the_scores(small):
    small.auxiliary_heads = False
    try:
        with torch.no_grad():
            assert small(make_image(20, 20)).auxiliary == ()
    finally:
        small.auxiliary_heads = True


@pytest.mark.slow
def test_a_backbone_that_takes_only_some_sizes():
    model = pixelwise.create("deeplabv1", num_classes=3, backbone="convnext_atto", multiscale=True, width=4).eval()
    assert model.multiple == 8
    with torch.no_grad():
        logits, (scores,) = model(make_image(50, 33))
    assert (logits.shape, scores.shape) == ((1, 3, 50, 33), (1, 3, 7, 5))


def test_a_width_that_cannot_be():
    with pytest.raises(ValueError, match="width is 0"):
        pixelwise.create("deeplabv1", num_classes=2, width=0)
