"""DeepLab v2: the numbers of its ResNet-101, the pyramid, the maximum over scales, the four losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from filling import fill, make_image
from PIL import Image

import pixelwise
from pixelwise.classes import VOID, Classes
from pixelwise.segmentation import Segmentation

THREE = Classes.numbered(3)


@pytest.fixture(scope="module")
def paper():
    """The paper's own, without memory for its weights."""
    with torch.device("meta"):
        return pixelwise.create("deeplabv2", num_classes=21).eval()


@pytest.fixture(scope="module")
def small():
    return fill(pixelwise.create("deeplabv2", num_classes=3, backbone="resnet18"))


def test_the_published_counts(paper):
    assert sum(p.numel() for p in paper.parameters()) == 44_048_532
    assert len(paper.state_dict()) == 632
    with torch.device("meta"):
        stuff = pixelwise.create("deeplabv2", num_classes=182)
    assert sum(p.numel() for p in stuff.parameters()) == 55_919_384


def test_strides_in_the_first_convolution_and_every_block_dilated(paper):
    net = paper.backbone.net
    stages = [list(net.get_submodule(f"layer{n}")) for n in (1, 2, 3, 4)]
    assert [len(stage) for stage in stages] == [3, 4, 23, 3]
    assert [stage[0].conv1.stride[0] for stage in stages] == [1, 2, 1, 1]
    assert [stage[0].downsample[0].stride[0] for stage in stages] == [1, 2, 1, 1]
    assert {block.conv2.stride for stage in stages for block in stage} == {(1, 1)}
    for stage, rate in zip(stages, (1, 1, 2, 4), strict=True):
        assert {block.conv2.dilation for block in stage} == {block.conv2.padding for block in stage} == {(rate, rate)}
    assert [branch.dilation[0] for branch in paper.head.branches] == [6, 12, 18, 24]


def test_a_resnet_of_timm_keeps_its_strides_and_is_dilated(small):
    net = small.backbone.net
    assert [net.get_submodule(f"layer{n}.0.conv1").stride[0] for n in (1, 2, 3, 4)] == [1, 2, 1, 1]
    rates = [{block.conv2.dilation[0] for block in net.get_submodule(f"layer{n}")} for n in (1, 2, 3, 4)]
    assert rates == [{1}, {1}, {2}, {4}]


@pytest.mark.parametrize(("side", "scores"), [(321, 41), (500, 63), (513, 65), (65, 9)])
def test_the_published_sizes(paper, side, scores):
    assert paper.scores(torch.empty(1, 3, side, side, device="meta")).shape == (1, 21, scores, scores)


def test_the_first_weights_of_the_pyramid():
    head = pixelwise.create("deeplabv2", num_classes=3, backbone="resnet18").head
    weights = torch.stack([branch.weight for branch in head.branches])
    assert weights.std().item() == pytest.approx(0.01, rel=0.02)
    assert not any(branch.bias.any() for branch in head.branches)


def test_the_pyramid_is_one_sparse_kernel(small):
    """The four kernels laid on one of 49×49, where only their middles fall together."""
    branches = small.head.branches
    kernel = torch.zeros(3, branches[0].in_channels, 49, 49)
    for branch in branches:
        rate = branch.dilation[0]
        kernel[..., 24 - rate : 25 + rate : rate, 24 - rate : 25 + rate : rate] += branch.weight.detach()
    x = torch.randn(1, branches[0].in_channels, 9, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = F.conv2d(x, kernel, sum(branch.bias for branch in branches), padding=24)
        torch.testing.assert_close(small.head(x), expected, atol=1e-4, rtol=1e-4)


def test_the_largest_score_of_the_three_scales(small):
    image = make_image(64, 80)
    with torch.no_grad():
        logits, (full, half, most, fused) = small(image)
        alone = small.scores(F.interpolate(small.normalize(image), (32, 40), mode="bilinear"))
    torch.testing.assert_close(half, alone, atol=1e-4, rtol=1e-4)
    assert [tuple(m.shape[-2:]) for m in (full, half, most, fused)] == [(8, 10), (4, 5), (6, 8), (8, 10)]
    three = torch.stack([full, *(F.interpolate(m, (8, 10), mode="bilinear") for m in (half, most))])
    assert torch.equal(fused, three.max(0).values)
    assert torch.equal(logits, F.interpolate(fused, (64, 80), mode="bilinear"))
    assert len(three.argmax(0).unique()) == 3


def test_four_losses_against_the_truth_at_their_sizes(small):
    truth = torch.randint(0, 3, (61, 83), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    truth[20:30] = VOID
    with torch.no_grad():
        outputs = small(make_image(61, 83))
    parts = small.loss(outputs, [Segmentation.from_class_map(truth, THREE)])
    expected = []
    for scores in outputs.auxiliary:
        size = (scores.shape[-1], scores.shape[-2])
        nearest = np.array(Image.fromarray(truth.numpy()).resize(size, Image.Resampling.NEAREST))
        expected.append(F.cross_entropy(scores, torch.from_numpy(nearest).long()[None], ignore_index=VOID))
    assert len(expected) == 4
    torch.testing.assert_close(parts["cross_entropy"], expected[-1])
    torch.testing.assert_close(parts["auxiliary"], torch.stack(expected[:-1]).sum())


def test_predicting_takes_the_largest_score_too(small):
    image = make_image(40, 33)
    with torch.no_grad():
        expected = small(image).logits
        small.auxiliary_heads = False
        try:
            actual = small(image)
        finally:
            small.auxiliary_heads = True
    assert actual.auxiliary == ()
    assert torch.equal(actual.logits, expected)


def test_one_scale():
    model = fill(pixelwise.create("deeplabv2", num_classes=3, backbone="resnet18", scales=()))
    with torch.no_grad():
        outputs = model(make_image(40, 33))
    assert len(outputs.auxiliary) == 1
    truth = Segmentation.from_class_map(torch.zeros(40, 33, dtype=torch.uint8), THREE)
    assert model.loss(outputs, [truth]).keys() == {"cross_entropy"}


@pytest.mark.slow
def test_a_backbone_that_takes_only_some_sizes():
    model = pixelwise.create("deeplabv2", num_classes=3, backbone="convnext_atto").eval()
    assert model.stride == 32
    with torch.no_grad():
        logits, maps = model(make_image(50, 33))
    assert logits.shape == (1, 3, 50, 33)
    assert [tuple(m.shape[-2:]) for m in maps] == [(8, 8), (4, 4), (6, 6), (8, 8)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"rates": ()}, "rates is"), ({"rates": (0, 6)}, "rates is"), ({"scales": (0.5, 0)}, "s is")],
)
def test_arguments_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        pixelwise.create("deeplabv2", num_classes=2, **arguments)
