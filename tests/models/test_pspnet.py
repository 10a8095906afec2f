"""PSPNet: the numbers of the authors' program, and what is our own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from filling import fill, make_image
from torch import nn

import pixelwise
from pixelwise.models.base import SemanticModel
from pixelwise.models.pspnet import VARIANTS, PyramidPooling
from pixelwise.weights.rename import find_table


def weightless(**arguments) -> SemanticModel:
    """A model whose tensors have a shape but no memory."""
    with torch.device("meta"):
        return pixelwise.create("pspnet", **arguments).eval()


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def small() -> SemanticModel:
    return fill(pixelwise.create("pspnet", num_classes=2, backbone="resnet18"))


@pytest.fixture(scope="module")
def paper() -> SemanticModel:
    return weightless(num_classes=21)


def test_the_authors_counts(paper):
    assert (count(paper), len(paper.state_dict())) == (49_081_578, 370)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "classes", "parameters", "tensors"),
    [("resnet50s", 150, 49_180_908, 370), ("resnet101s", 19, 68_072_166, 676), ("resnet152s", 19, 83_715_814, 982)],
)
def test_the_authors_counts_of_deeper_networks(backbone, classes, parameters, tensors):
    model = weightless(num_classes=classes, backbone=backbone)
    assert (count(model), len(model.state_dict())) == (parameters, tensors)


def test_smp_s_count_without_the_stages_that_it_does_not_use():
    """smp's PSPNet with resnet101 and 21 classes has 43,385,301, of which stages 3 and 4 of the encoder are unused."""
    unused = 26_090_496 + 14_964_736
    assert count(weightless(num_classes=21, backbone="resnet101", variant="smp")) == 43_385_301 - unused


def test_every_block_of_the_last_stages_is_dilated(paper):
    net = paper.backbone.net
    for name, rate in (("layer1", 1), ("layer2", 1), ("layer3", 2), ("layer4", 4)):
        for number, block in enumerate(net[name]):
            strided = name == "layer2" and number == 0
            assert block.conv2.dilation == block.conv2.padding == (rate, rate), f"{name}.{number}"
            assert block.conv2.stride == ((2, 2) if strided else (1, 1))
    assert [conv.out_channels for conv in net.conv1 if isinstance(conv, nn.Conv2d)] == [64, 64, 128]


@pytest.mark.parametrize(("side", "cells"), [(473, 60), (713, 90), (1, 1)])
def test_sides_of_8k_plus_1_become_k_plus_1_cells(paper, side, cells):
    (image,) = torch.zeros(1, 1, 3, side, side, device="meta")
    seen = []
    hook = paper.pyramid.register_forward_hook(lambda _, inputs, output: seen.extend((inputs[0].shape, output.shape)))
    with torch.no_grad():
        logits, (auxiliary,) = paper(image)
    hook.remove()
    assert seen == [(1, 2048, cells, cells), (1, 4096, cells, cells)]
    assert logits.shape == auxiliary.shape == (1, 21, side, side)


def test_other_sizes_are_padded_with_the_mean_colour(small):
    image = make_image(60, 91)
    mean = torch.tensor(small.normalize.arguments["mean"]).view(3, 1, 1)
    padded = mean.expand(1, 3, 65, 97).clone()
    padded[..., :60, :91] = image
    with torch.no_grad():
        actual, expected = small(image), small(padded)
    torch.testing.assert_close(actual.logits, expected.logits[..., :60, :91], atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(actual.auxiliary[0], expected.auxiliary[0][..., :60, :91], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_pyramid_holds_means_of_1_2_3_and_6_parts(variant):
    module = fill(PyramidPooling(8, (1, 2, 3, 6), VARIANTS[variant]))
    x = make_image(12, 18).repeat(1, 3, 1, 1)[:, :8]
    with torch.no_grad():
        actual = module(x)
    features, pyramid = (actual[:, 8:], actual[:, :8]) if variant == "smp" else (actual[:, :8], actual[:, 8:])
    assert torch.equal(features, x)
    for number, cells in enumerate((1, 2, 3, 6)):
        parts = F.avg_pool2d(x, (12 // cells, 18 // cells))
        with torch.no_grad():
            branch = module.branches[number][1:](parts)  # (1, 2, cells, cells): at the corners nothing is interpolated
        corners = pyramid[:, 2 * number : 2 * number + 2, :: 12 - 1, :: 18 - 1]
        torch.testing.assert_close(corners, branch[..., [0, -1], :][..., [0, -1]])
    kinds = [[type(layer).__name__ for layer in branch] for branch in module.branches]
    assert ("PooledBatchNorm2d" in kinds[0]) == (variant == "paper") and "PooledBatchNorm2d" in kinds[1]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_of_one_image_trains(variant):
    model = pixelwise.create("pspnet", num_classes=2, backbone="resnet18", variant=variant).train()
    outputs = model(make_image(33, 41))
    sum(logits.square().mean() for logits in (outputs.logits, *outputs.auxiliary)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_auxiliary_classifier_weighs_0_4_and_is_skipped_when_predicting(small):
    assert small.auxiliary_weight == 0.4
    small.auxiliary_heads = False
    with torch.no_grad():
        assert small(make_image(33, 33)).auxiliary == ()
    small.auxiliary_heads = True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "output_stride"), [("convnext_atto", 8), ("mobilenetv3_small_050", 16), ("vgg11_bn", 32)]
)
def test_backbones_of_other_kinds_take_any_size(backbone, output_stride):
    model = weightless(num_classes=2, backbone=backbone, output_stride=output_stride)
    logits, (auxiliary,) = model(torch.zeros(1, 3, 65, 34, device="meta"))
    assert logits.shape == auxiliary.shape == (1, 2, 65, 34)


@pytest.mark.parametrize(("bins", "width"), [((1, 4), 32), ([3], 8)])
def test_other_bins_and_widths(bins, width):
    model = fill(pixelwise.create("pspnet", num_classes=2, backbone="resnet18", bins=bins, width=width))
    pools = [branch[0].output_size for branch in model.pyramid.branches]
    assert pools == list(bins)
    assert model.pyramid.channels == 512 + 512 // len(bins) * len(bins)
    assert (model.classifier.head.in_channels, model.auxiliary.head.in_channels) == (width, width // 2)


def test_weights_need_the_bins_that_they_were_trained_with():
    """Other bins, as many, have tensors of the same shapes."""
    find_table(weightless(num_classes=3, bins=[1, 2, 3, 6]), "semseg")
    with pytest.raises(ValueError, match=r"a model made with bins=\(1, 2, 3, 6\)"):
        find_table(weightless(num_classes=3, bins=[1, 2, 4, 8]), "semseg")


def test_arguments_that_cannot_be():
    for arguments, message in (
        ({"bins": []}, "bins are"),
        ({"bins": [1, 0]}, "each 1 or more"),
        ({"width": 1}, "width is 1"),
        ({"variant": "papr"}, "did you mean 'paper'"),
        ({"variant": "smp", "output_stride": 16}, "variant 'smp' has 8 only"),
        ({"backbone": "vgg11_bn"}, "cannot give feature maps with output_stride=8"),
    ):
        with pytest.raises(ValueError, match=message):
            pixelwise.create("pspnet", num_classes=2, **arguments)
