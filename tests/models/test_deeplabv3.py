"""DeepLab v3: the numbers of the paper, and of the checkpoints that people publish."""

from __future__ import annotations

import pytest
import torch
from filling import fill, make_image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import pixelwise
from pixelwise.models.deeplabv3 import AtrousPyramid, ImagePooling, pad_image
from pixelwise.segmentation import Segmentation


def on_meta(name: str, **arguments) -> nn.Module:
    """A model of 21 classes with shapes, but without memory."""
    with torch.device("meta"):
        return pixelwise.create(name, num_classes=21, **arguments).eval()


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def rates(model: nn.Module) -> list[int]:
    """Dilations of the pyramid's 3×3 convolutions."""
    return [branch[0].dilation[0] for branch in model.pyramid.branches[1:-1]]


@pytest.fixture(scope="module")
def paper():
    return on_meta("deeplabv3")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "backbone", "stride", "tensors", "parameters", "operations"),
    [
        ("torchvision", "resnet50", 8, 370, 42_004_074, 178.722),  # what torchvision's weights say of themselves
        ("torchvision", "resnet101", 8, 676, 60_996_202, 258.743),
        ("torchvision", "mobilenet_v3_large", 16, 360, 11_029_328, 10.452),
        ("vainf", "mobilenetv2_100", 16, 350, 5_113_877, None),
        ("vainf", "resnet50", 16, 362, 39_638_869, None),
        ("vainf", "resnet101", 16, 668, 58_630_997, None),
    ],
)
def test_the_published_checkpoints(variant, backbone, stride, tensors, parameters, operations):
    auxiliary = variant == "torchvision"
    model = on_meta("deeplabv3", variant=variant, backbone=backbone, output_stride=stride, auxiliary=auxiliary)
    assert (len(model.state_dict()), count(model)) == (tensors, parameters)
    if operations:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, 520, 520, device="meta"))
        assert counter.get_total_flops() / 2e9 == pytest.approx(operations, abs=5e-4)


def test_the_paper_s_rates_and_sizes(paper):
    """Sections 3.2.1 and 3.3: a multi-grid of 1, 2, 4 and rates of 6, 12, 18 at output stride 16."""
    assert [block.conv2.dilation[0] for block in paper.backbone.net.layer4] == [2, 4, 8]
    assert rates(paper) == [6, 12, 18]
    assert paper.pyramid.project[0].in_channels == 5 * 256
    assert paper.backbone(torch.empty(1, 3, 513, 513, device="meta"))[-1].shape == (1, 2048, 33, 33)


def test_the_paper_s_rates_double_at_stride_8(paper):
    fine = on_meta("deeplabv3", output_stride=8)
    assert {block.conv2.dilation[0] for block in fine.backbone.net.layer3} == {2}
    assert [block.conv2.dilation[0] for block in fine.backbone.net.layer4] == [4, 8, 16]
    assert rates(fine) == [12, 24, 36]
    assert fine.backbone(torch.empty(1, 3, 513, 513, device="meta"))[-1].shape == (1, 2048, 65, 65)
    assert {k: v.shape for k, v in fine.state_dict().items()} == {k: v.shape for k, v in paper.state_dict().items()}


def test_rates_and_grid_of_one_s_own():
    model = on_meta("deeplabv3", backbone="resnet18", variant="smp", multi_grid=[1, 2], rates=[3, 6])
    assert rates(model) == [3, 6]
    assert [block.conv1.dilation[0] for block in model.backbone.net.layer4] == [4, 8]
    assert rates(on_meta("deeplabv3", backbone="resnet18", variant="smp", output_stride=16)) == [12, 24, 36]


def test_holes_instead_of_strides_compute_the_same_and_more():
    """Section 3.1: without the stride and with holes after it, every second place is what it was before."""
    coarse, fine = (
        fill(pixelwise.create("deeplabv3", num_classes=2, backbone="resnet18", variant="vainf", output_stride=s))
        for s in (16, 8)
    )
    with torch.no_grad():
        expected, actual = (model.backbone(make_image(97, 65))[-1] for model in (coarse, fine))
    assert actual.shape[-2:] == (13, 9)
    torch.testing.assert_close(actual[..., ::2, ::2], expected, atol=1e-4, rtol=1e-4)


def test_a_rate_as_large_as_the_map_leaves_a_1x1_convolution():
    """Section 3.3: only the middle of the kernel still falls on the map."""
    pyramid = fill(AtrousPyramid(8, 4, (12,), 0.0))
    conv = pyramid.branches[1][0]
    x = torch.rand(1, 8, 12, 12)
    torch.testing.assert_close(conv(x), nn.functional.conv2d(x, conv.weight[..., 1:2, 1:2]), atol=1e-5, rtol=1e-5)


def test_the_pooled_image_is_the_same_everywhere():
    pooling = fill(ImagePooling(6, 4))
    x = torch.rand(2, 6, 5, 7)
    expected = pooling.norm(pooling.conv(nn.functional.adaptive_avg_pool2d(x, 1))).relu()
    actual = pooling(x)
    assert actual.shape == (2, 4, 5, 7)
    torch.testing.assert_close(actual, expected.expand_as(actual))


def test_a_single_image_can_be_trained():
    model = pixelwise.create("deeplabv3", num_classes=3, backbone="resnet18", width=16)
    image = make_image(64, 48)
    truth = Segmentation.from_class_map(torch.zeros(64, 48, dtype=torch.uint8), model.classes)
    (loss,) = model.loss(model.train()(image), [truth]).values()
    loss.backward()
    gradient = model.pyramid.branches[-1].conv.weight.grad
    assert loss.isfinite() and gradient is not None and gradient.isfinite().all() and gradient.abs().sum() > 0


def test_the_auxiliary_head_is_for_training_alone():
    model = fill(pixelwise.create("deeplabv3", num_classes=3, backbone="resnet18", width=16, auxiliary=True))
    with torch.no_grad():
        both = model(make_image(64, 48))
        model.auxiliary_heads = False
        one = model(make_image(64, 48))
    assert [scores.shape for scores in both.auxiliary] == [(1, 3, 64, 48)] and one.auxiliary == ()
    assert torch.equal(both.logits, one.logits)


@pytest.mark.parametrize(
    ("size", "multiple", "expected"), [((1, 5), 1, (3, 5)), ((9, 4), 4, (12, 4)), ((7, 7), 1, (7, 7))]
)
def test_tiny_images_are_padded(size, multiple, expected):
    x = torch.rand(1, 3, *size)
    actual = pad_image(x, multiple)
    assert actual.shape[-2:] == expected and torch.equal(actual[..., : size[0], : size[1]], x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variant": "vainff"}, "did you mean 'vainf'"),
        ({"backbone": "tf_efficientnet_lite0", "multi_grid": [1, 2, 4]}, "is no ResNet: leave it out"),
        ({"backbone": "mobilenet_v3_large", "output_stride": 8}, "mobilenet_v3_large of torchvision has 16"),
        ({"backbone": "resnet34", "multi_grid": [1, 2]}, "the last stage has 3 blocks"),
        ({"backbone": "pvt_v2_b0"}, "cannot give feature maps with output_stride=16"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        on_meta("deeplabv3", **arguments)


def test_weights_made_otherwise_are_refused():
    model = pixelwise.create("deeplabv3", num_classes=3, backbone="resnet18", width=16)
    with pytest.raises(ValueError, match="needs a model made with variant='torchvision'"):
        pixelwise.load_weights(model, {"backbone.conv1.weight": torch.zeros(1)}, "torchvision")


def test_smp_s_resnets_through_timm_are_refused():
    """They leave the first block of a dilated stage as it was: the same names, other outputs."""
    model = pixelwise.create("deeplabv3", num_classes=3, backbone="resnet18", variant="smp")
    theirs = {"encoder.model.layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3)}
    with pytest.raises(ValueError, match=r"encoder.model.layer1.* has no place"):
        pixelwise.load_weights(model, theirs, "smp")
