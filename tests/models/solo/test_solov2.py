"""SOLOv2: the mask of a cell is a convolution of the features with its kernel."""

from __future__ import annotations

import torch
import torch.nn.functional as F

import pixelwise
from pixelwise.models.solo.solov2 import MaskFeatures


def model():
    torch.manual_seed(0)
    return pixelwise.create(
        "solov2", num_classes=2, backbone="resnet18", convs=1, width=16, features=8, pyramid=16
    ).eval()


def test_maps_have_the_shapes_of_the_paper():
    outputs = model()(torch.zeros(1, 3, 64, 96))
    assert [tuple(x.shape) for x in outputs.kernels] == [(1, 8, s, s) for s in (40, 36, 24, 16, 12)]
    assert outputs.features.shape == (1, 8, 16, 24)
    assert (outputs.features >= 0).all()  # they end in a ReLU


def test_a_mask_is_a_convolution_with_the_kernel_of_its_cell():
    network = model()
    outputs = network(torch.rand(2, 3, 64, 96))
    kernel = outputs.kernels[3][1, :, 7, 4]
    expected = F.conv2d(outputs.features[1:], kernel[None, :, None, None]).sigmoid()[0]
    actual = network.soft_masks(outputs, 1, 3, torch.tensor([7 * 16 + 4]), (16, 24))
    assert torch.allclose(actual, expected, atol=1e-6)


def test_only_the_coarsest_level_sees_its_coordinates():
    features = MaskFeatures(16, 8, 8)
    assert [[conv[0].in_channels for conv in level] for level in features.levels] == [[16], [16], [16, 8], [18, 8, 8]]


def test_a_cell_of_several_objects_learns_the_masks_of_all():
    names = ("solo", "solov2")
    kinds = [pixelwise.models.MODELS[name] for name in names]
    assert [kind.learns_all_owners for kind in kinds] == [False, True]
