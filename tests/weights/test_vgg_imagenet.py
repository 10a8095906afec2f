"""ImageNet weights of VGG16."""

from __future__ import annotations

import pytest
import torch
from filling import make_image
from torch import nn

import pixelwise
from pixelwise.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from pixelwise.layers.vgg import VGG16
from pixelwise.weights.vgg_imagenet import CLASSIFIERS, FEATURES, decimate, load_vgg16


def original(width: int = 2) -> nn.ModuleDict:
    """Simonyan and Zisserman's network, its layers where torchvision has them, on colours from 0 to 1."""
    torch.manual_seed(0)
    features: list[nn.Module] = []
    channels = 3
    for multiple in (1, 1, 0, 2, 2, 0, 4, 4, 4, 0, 8, 8, 8, 0, 8, 8, 8, 0):
        if multiple:
            features += [nn.Conv2d(channels, multiple * width, 3, padding=1), nn.ReLU()]
            channels = multiple * width
        else:
            features.append(nn.MaxPool2d(2))
    wide = 64 * width
    classifier = [nn.Linear(49 * channels, wide), nn.ReLU(), nn.Dropout(), nn.Linear(wide, wide), nn.ReLU()]
    return nn.ModuleDict({"features": nn.Sequential(*features), "classifier": nn.Sequential(*classifier)}).eval()


def ours(width: int = 2, fc6: nn.Conv2d | None = None) -> VGG16:
    return VGG16([nn.MaxPool2d(2)] * 5, fc6 or nn.Conv2d(8 * width, 64 * width, 7), width=width).eval()


def test_torchvision_s_weights_give_the_same_for_the_same_image(tmp_path):
    network, theirs = ours(), original()
    torch.save(theirs.state_dict(), tmp_path / "vgg16-397923af.pth")
    load_vgg16(network, tmp_path / "vgg16-397923af.pth")
    image = make_image(224, 224)
    with torch.no_grad():
        found = network(network.normalize()(image))
        seen = Normalize(IMAGENET_MEAN, IMAGENET_STD)(image)
        first = theirs["features"][:5](seen)
        inside = (..., slice(2, -2), slice(2, -2))  # the padding is of another colour
        torch.testing.assert_close(found[0][inside], first[inside], atol=1e-5, rtol=1e-4)
        pooled = found[4]
        torch.testing.assert_close(found[5].flatten(1), theirs["classifier"](pooled.flatten(1)), atol=1e-5, rtol=1e-4)


def test_caffe_s_weights_and_timm_s_names_are_taken_as_they_are(tmp_path):
    network, theirs = ours(), original().state_dict()
    for before, after in zip(*CLASSIFIERS, strict=True):
        side = 7 if after.endswith("fc1") else 1
        theirs[f"{after}.weight"] = theirs.pop(f"{before}.weight").reshape(128, -1, side, side)
        theirs[f"{after}.bias"] = theirs.pop(f"{before}.bias")
    torch.save(theirs, tmp_path / "vgg16_from_caffe.pth")
    load_vgg16(network, tmp_path / "vgg16_from_caffe.pth")
    assert torch.equal(network.blocks[0][0].weight, theirs["features.0.weight"])
    assert torch.equal(network.fc6.weight, theirs["pre_logits.fc1.weight"])
    assert torch.equal(network.fc7.bias, theirs["pre_logits.fc2.bias"])


def test_a_smaller_fc6_takes_every_so_many_channels_and_pixels(tmp_path):
    """DeepLab v1, Section 3.2: 7×7 to 3×3 pixels by decimation, and a quarter of the channels."""
    assert decimate(torch.arange(7), [3]).tolist() == [0, 3, 6]
    network, theirs = ours(fc6=nn.Conv2d(16, 32, 3, padding=12, dilation=12)), original().state_dict()
    torch.save(theirs, tmp_path / "vgg16.pth")
    load_vgg16(network, tmp_path / "vgg16.pth")
    rows = torch.linspace(0, 127, 32).round().long()
    wanted = theirs["classifier.0.weight"].view(128, 16, 7, 7)[rows][..., ::3, ::3]
    assert torch.equal(network.fc6.weight, wanted)
    assert torch.equal(network.fc7.weight[..., 0, 0], theirs["classifier.3.weight"][rows][:, rows])


@pytest.mark.parametrize("name", ["fcn32s", "fcn8s", "deeplabv1"])
def test_create_fills_the_methods_that_have_one(tmp_path, name):
    torch.save(original().state_dict(), tmp_path / "vgg16_from_caffe.pth")
    model = pixelwise.create(name, num_classes=2, width=2, pretrained=tmp_path / "vgg16_from_caffe.pth")
    assert torch.equal(model.backbone.blocks[4][4].weight, original().state_dict()[f"{FEATURES[-1]}.weight"])


def test_a_file_that_does_not_fit(tmp_path):
    network, theirs = ours(), original().state_dict()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.save({**theirs, "features.28.weight": torch.zeros(4, 4)}, tmp_path / "other.pth")
    torch.save({**theirs, "classifier.0.weight": torch.zeros(128, 50)}, tmp_path / "flat.pth")
    torch.save({name: value for name, value in theirs.items() if name != "classifier.3.bias"}, tmp_path / "short.pth")
    for file, message in (
        ("other.pth", r"features\.28\.weight \(4, 4\) does not fit \(16, 16, 3, 3\)"),
        ("flat.pth", r"classifier\.0\.weight .* does not fit \(128, 16, 7, 7\)"),
        ("short.pth", r"short\.pth has no classifier\.3\.bias"),
    ):
        with pytest.raises(ValueError, match=message):
            load_vgg16(network, tmp_path / file)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.slow
def test_without_a_network_the_error_says_which_file_to_bring(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OSError, match=r"huggingface\.co/timm/vgg16\.tv_in1k.*vgg16_from_caffe\.pth.*pretrained="):
        pixelwise.create("fcn32s", num_classes=2, width=2, pretrained=True)
