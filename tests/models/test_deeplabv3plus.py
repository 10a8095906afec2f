"""DeepLab v3+: the numbers of the paper, and of the checkpoints that people publish."""

from __future__ import annotations

import pytest
import torch
from filling import fill, make_image
from torch import nn

import pixelwise


def on_meta(**arguments) -> nn.Module:
    """A model of 21 classes with shapes, but without memory."""
    with torch.device("meta"):
        return pixelwise.create("deeplabv3plus", num_classes=21, **arguments).eval()


def threes(module: nn.Module) -> list[nn.Conv2d]:
    """The 3×3 convolutions."""
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "backbone", "tensors", "parameters"),
    [
        ("vainf", "mobilenetv2_100", 356, 5_225_717),
        ("vainf", "resnet50", 368, 39_761_845),
        ("vainf", "resnet101", 674, 58_753_973),
        ("smp", "resnet101", 685, 45_674_853),
    ],
)
def test_the_published_checkpoints(variant, backbone, tensors, parameters):
    model = on_meta(variant=variant, backbone=backbone)
    assert len(model.state_dict()) == tensors
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_the_paper_s_decoder():
    """Figure 2, tables 1 and 2: 256 low-level channels reduced to 48, two 3×3 convolutions of 256, at stride 4."""
    model = on_meta()
    reduce = model.decoder.reduce[0]
    assert (reduce.in_channels, reduce.out_channels, reduce.kernel_size) == (256, 48, (1, 1))
    assert [(layer.in_channels, layer.out_channels) for layer in threes(model.decoder)] == [(304, 256), (256, 256)]
    maps = model.backbone(torch.empty(1, 3, 513, 513, device="meta"))
    x = model.pyramid(maps[-1])
    assert (x.shape, model.decoder(x, maps[model.low_level]).shape) == ((1, 256, 33, 33), (1, 256, 129, 129))


@pytest.mark.parametrize(("variant", "between"), [("paper", 2), ("smp", 1)])
def test_separable_convolutions(variant, between):
    model = on_meta(backbone="resnet18", variant=variant, separable=True)
    every = [*threes(model.pyramid), *threes(model.after), *threes(model.decoder)]
    assert all(layer.groups == layer.in_channels for layer in every)
    norms = [layer for layer in model.pyramid.branches[1].modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == between
    plain = on_meta(backbone="resnet18", variant=variant, separable=False)
    assert all(layer.groups == 1 for layer in [*threes(plain.pyramid), *threes(plain.decoder)])


@pytest.mark.slow
@pytest.mark.parametrize("stride", [16, 8])
def test_the_xception_of_the_paper(stride):
    """Section 3.2; the low-level features are those before the second stride of the entry flow, 256 channels."""
    model = on_meta(backbone="xception41", separable=True, output_stride=stride)
    maps = model.backbone(torch.empty(1, 3, 513, 513, device="meta"))
    assert maps[-1].shape == (1, 2048, 512 // stride + 1, 512 // stride + 1)
    assert maps[model.low_level].shape == (1, 256, 129, 129)
    assert model.decoder.reduce[0].in_channels == 256
    assert model(torch.empty(1, 3, 65, 33, device="meta")).logits.shape == (1, 21, 65, 33)


def test_low_level_features_sharpen():
    """A change of one place of the low-level map reaches two places around it, by two 3×3 kernels, and no others."""
    model = fill(pixelwise.create("deeplabv3plus", num_classes=2, backbone="resnet18", width=8))
    with torch.no_grad():
        maps = model.backbone(make_image(64, 64))
        x = model.pyramid(maps[-1])
        before = model.decoder(x, maps[model.low_level])
        maps[model.low_level][..., 8, 8] += 1
        changed = (model.decoder(x, maps[model.low_level]) != before).any(1)[0].nonzero()
    assert changed.amin(0).tolist() == [6, 6] and changed.amax(0).tolist() == [10, 10]


def test_a_network_without_a_map_of_stride_4():
    with pytest.raises(ValueError, match="but none of 4"):
        on_meta(backbone="vit_tiny_patch16_224", output_stride=32)


def test_an_unknown_variant():
    with pytest.raises(ValueError, match="no variant 'torchvision' of deeplabv3plus"):
        on_meta(variant="torchvision")
