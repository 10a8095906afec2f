"""Normalisation, the first layer of every model."""

from __future__ import annotations

import torch

from pixelwise.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize


def test_imagenet_and_caffe():
    red = torch.zeros(1, 3, 1, 1)
    red[:, 0] = 1
    actual = Normalize(IMAGENET_MEAN, IMAGENET_STD)(red)[0, :, 0, 0]
    torch.testing.assert_close(actual, torch.tensor([0.515 / 0.229, -0.456 / 0.224, -0.406 / 0.225]))
    # Caffe's weights see bytes in the order blue, green, red, less their mean: red 255 stands last
    caffe = Normalize((104.0, 117.0, 123.0), scale=255, std=(1.0, 1.0, 1.0), bgr=True)(red)[0, :, 0, 0]
    torch.testing.assert_close(caffe, torch.tensor([-104.0, -117.0, 255 - 123.0]), atol=1e-3, rtol=0)


def test_it_has_no_weights_and_says_what_it_does():
    layer = Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert not layer.state_dict()
    assert layer.to_dict() == {"mean": [0.5] * 3, "std": [0.25] * 3, "scale": 1.0, "bgr": False}
