"""Which name was meant."""

from __future__ import annotations

from pixelwise.ops.names import nearest


def test_the_nearest_is_offered():
    assert nearest("resnet3", ["resnet18", "resnet34", "vgg16"]).startswith("did you mean 'resnet34'")
    assert nearest("UNet", ["unet", "fcn"]) == "did you mean 'unet'?"


def test_all_are_listed_where_none_is_near():
    assert nearest("xyz", ["unet", "fcn"]) == "there are: unet, fcn"
    assert nearest("xyz", map(str, range(100))).endswith("39, …")
    assert nearest("xyz", []) == "there are: none"
