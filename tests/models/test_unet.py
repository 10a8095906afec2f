"""U-Net: the numbers of the paper, and those of its descendants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from filling import fill, make_image
from torch import nn

import pixelwise
from pixelwise.classes import VOID, Classes
from pixelwise.losses import criterion
from pixelwise.losses.border import border_weights
from pixelwise.segmentation import Segmentation

MARGIN = 92
CELLS = Classes(("background", "cell"), things=(False, True), background=0)
WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d)


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def small():
    return fill(pixelwise.create("unet", num_classes=2, width=8))


def test_the_paper_s_counts():
    model = pixelwise.create("unet", num_classes=2, in_channels=1)
    assert count(model) == 31_030_658
    assert sum(isinstance(layer, WEIGHTED) for layer in model.modules()) == 23
    assert sum(isinstance(layer, nn.Dropout) for layer in model.modules()) == 1
    assert count(pixelwise.create("unet", num_classes=2)) == 31_030_658 + 2 * 576


def test_the_sizes_of_figure_1(small):
    sizes = []
    hooks = [
        layer.register_forward_hook(lambda _, __, y: sizes.append(y.shape[-1]))
        for layer in small.modules()
        if isinstance(layer, WEIGHTED)
    ]
    with torch.no_grad():
        outputs = small.valid(make_image(572, 572))
    for hook in hooks:
        hook.remove()
    down = [570, 568, 282, 280, 138, 136, 66, 64, 30, 28]
    up = [56, 54, 52, 104, 102, 100, 200, 198, 196, 392, 390, 388]
    assert sizes == [*down, *up, 388]
    assert outputs.logits.shape == (1, 2, 388, 388)


@pytest.mark.parametrize("size", [(203, 204), (188, 188), (572, 571)])
def test_sizes_that_the_valid_network_cannot_take(small, size):
    with pytest.raises(ValueError, match="204 plus a multiple of 16"):
        small.valid(torch.zeros(1, 3, *size))


def test_an_image_is_mirrored_by_92_pixels(small):
    image = make_image(36, 52)
    mirrored = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (92, 92), (92, 92)), mode="reflect"))
    with torch.no_grad():
        assert torch.equal(small(image).logits, small.valid(mirrored).logits)
        cut = small(make_image(36, 52)[..., :30, :41]).logits
    assert cut.shape[-2:] == (30, 41)


def test_overlapping_tiles_of_figure_2_equal_one_big_pass(small):
    """Tiles at multiples of 16 pixels, where the poolings of all tiles fall on the same pixels."""
    image = make_image(164, 132)
    mirrored = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (92, 92), (92, 92)), mode="reflect"))
    with torch.no_grad():
        whole = small(image).logits
        for top in (0, 64):
            for left in (0, 32):
                tile = mirrored[..., top : top + 100 + 2 * MARGIN, left : left + 100 + 2 * MARGIN]
                part = whole[..., top : top + 100, left : left + 100]
                torch.testing.assert_close(small.valid(tile).logits, part, atol=1e-5, rtol=0)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_other_depths_of_the_paper_s_network(levels):
    model = fill(pixelwise.create("unet", num_classes=2, width=4, levels=levels))
    network = model.network
    assert len(network.contracting) == levels
    side = network.smallest + network.step + 2 * network.margin
    with torch.no_grad():
        assert model.valid(make_image(side, side)).logits.shape[-1] == side - 2 * network.margin
        assert model(make_image(37, 22)).logits.shape == (1, 2, 37, 22)
        with pytest.raises(ValueError, match=f"plus a multiple of {2 ** (levels - 1)}"):
            model.valid(make_image(side + 1, side))


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize("levels", [2, 4, 6])
def test_other_depths_of_the_padded_network(levels, bilinear):
    model = fill(pixelwise.create("unet_padded", num_classes=2, width=4, levels=levels, bilinear=bilinear))
    assert model.stride == 2 ** (levels - 1)
    with torch.no_grad():
        assert model(make_image(37, 22)).logits.shape == (1, 2, 37, 22)
    assert model.head.in_channels == 4


@pytest.mark.parametrize("arguments", [{"levels": 1}, {"levels": 4, "backbone": "resnet18"}])
def test_depths_that_cannot_be(arguments):
    with pytest.raises(ValueError, match="levels is"):
        pixelwise.create("unet", num_classes=2, **arguments)


def test_a_grey_network_sees_the_mean_of_the_colours():
    model = fill(pixelwise.create("unet", num_classes=2, width=4, in_channels=1))
    image = make_image(20, 20)
    grey = image.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    with torch.no_grad():
        torch.testing.assert_close(model(image).logits, model(grey).logits, atol=1e-5, rtol=0)


def two_cells(height: int = 220, width: int = 220) -> Segmentation:
    ids = torch.ones(height, width, dtype=torch.int32)
    ids[100:120, 100:109], ids[100:120, 111:120] = 2, 3
    return Segmentation(CELLS, torch.tensor([0, 1, 1]), ids=ids)


def test_the_border_weights_of_equation_2(small):
    truth = two_cells()
    model = pixelwise.create("unet", classes=CELLS, width=4)
    weights = torch.tensor([0.5, 2.0])
    model.criterion = criterion("ce-border", weights)
    with torch.no_grad():
        outputs = model.eval().valid(make_image(220, 220))
        (part,) = model.loss(outputs, [truth]).values()
    middle = slice(MARGIN, 220 - MARGIN)
    target = truth.class_map().long()[middle, middle]
    map_ = weights[target] + border_weights(truth)[middle, middle]
    log_p = outputs.logits.log_softmax(1)[0].gather(0, target[None])[0]
    assert border_weights(truth)[110, 109] > 5  # between the cells, inside the part that counts
    torch.testing.assert_close(part, -(map_ * log_p).sum() / map_.sum())


def test_the_truth_is_cut_to_the_middle(small):
    truth = torch.full((220, 220), VOID, dtype=torch.uint8)
    truth[MARGIN : 220 - MARGIN, MARGIN : 220 - MARGIN] = 1
    with torch.no_grad():
        outputs = small.valid(make_image(220, 220))
    actual = small.loss(outputs, [Segmentation.from_class_map(truth, CELLS)])["cross_entropy"]
    torch.testing.assert_close(actual, -outputs.logits.log_softmax(1)[:, 1].mean())


@pytest.mark.parametrize(("bilinear", "parameters", "tensors"), [(False, 31_037_698, 118), (True, 17_263_042, 110)])
def test_the_padded_network_s_counts(bilinear, parameters, tensors):
    model = pixelwise.create("unet_padded", num_classes=2, bilinear=bilinear)
    assert count(model) == parameters
    assert len(model.state_dict()) == tensors


@pytest.mark.parametrize(
    ("backbone", "parameters", "tensors"), [("resnet34", 24_436_369, 278), ("resnet50", 32_521_105, 380)]
)
def test_the_backbone_network_s_counts(backbone, parameters, tensors):
    model = pixelwise.create("unet", num_classes=1, backbone=backbone)
    assert count(model) == parameters
    assert len(model.state_dict()) == tensors


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["convnext_atto", "vgg11_bn", "vit_tiny_patch16_224"])
def test_backbones_of_other_kinds_take_any_size(backbone):
    """Without the finest maps, with one of full size, with all of one size."""
    model = pixelwise.create("unet", num_classes=2, backbone=backbone, width=16).train()
    logits = model(make_image(65, 33).expand(2, -1, -1, -1)).logits
    assert logits.shape == (2, 2, 65, 33)
    logits.sum().backward()
    assert all(p.grad is not None for p in model.network.decoder.parameters())


def test_arguments_that_cannot_be():
    for arguments, message in (
        ({"in_channels": 4}, "in_channels is 4"),
        ({"in_channels": 1, "backbone": "resnet18"}, "in_channels is 1"),
        ({"width": 2}, "width is 2"),
    ):
        with pytest.raises(ValueError, match=message):
            pixelwise.create("unet", num_classes=2, **arguments)
    with pytest.raises(ValueError, match="width is 1"):
        pixelwise.create("unet_padded", num_classes=2, width=1)
    with pytest.raises(TypeError, match="valid is for the paper's own network"):
        pixelwise.create("unet", num_classes=2, backbone="resnet18").valid(make_image(204, 204))
