"""Models by name."""

from __future__ import annotations

import pytest

import pixelwise
from pixelwise.classes import Classes


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("unnet", {"num_classes": 2}, "did you mean 'unet'"),
        ("segformer", {"num_classes": 2}, "there are: .*unet, unet_padded"),
        ("unet", {}, "the number of classes of unet is missing"),
        ("unet", {"num_classes": 3, "classes": Classes(("a", "b"))}, "num_classes is 3, but 2 classes"),
        ("unet", {"num_classes": 0}, "at least one name"),
        ("deeplabv3", {"num_classes": 2, "auxiliary": "maybe"}, "auxiliary of deeplabv3 is 'maybe': it must be true"),
        ("deeplabv3plus", {"num_classes": 2, "output_stride": 7}, "output_stride is 7: it must be 8, 16 or 32"),
        ("unet", {"num_classes": 2, "backbone": "resnt34"}, "did you mean .*'resnet34'"),
        ("unet", {"num_classes": 2, "widht": 32}, "no argument 'widht': did you mean 'width'"),
        ("unet_padded", {"num_classes": 2, "backbone": "resnet34"}, "unet_padded has no argument 'backbone'"),
        ("unet", {"num_classes": 2, "width": 4, "pretrained": True}, "no backbone here"),
    ],
)
def test_what_cannot_be_made(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        pixelwise.create(name, **arguments)


def test_a_model_knows_how_it_was_made():
    classes = Classes(("ground", "tree"), background=0)
    model = pixelwise.create("unet", classes=classes, width=4)
    assert (model.architecture, model.arguments, model.classes) == ("unet", {"width": 4}, classes)
    assert pixelwise.create("unet", num_classes=3, width=4).classes.names == ("class 0", "class 1", "class 2")
