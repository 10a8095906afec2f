"""Suggestions for misspelt names."""

from __future__ import annotations

from pixelwise.ops.names import suggest


def test_the_nearest_is_offered():
    assert suggest("resnet3", ["resnet18", "resnet34", "vgg16"]).startswith("did you mean 'resnet34'")
    assert suggest("UNet", ["unet", "fcn"]) == "did you mean 'unet'?"


def test_all_are_listed_where_none_is_near():
    assert suggest("xyz", ["unet", "fcn"]) == "there are: unet, fcn"
    assert suggest("xyz", map(str, range(100))).endswith("39, …")
    assert suggest("xyz", []) == "there are: none"
