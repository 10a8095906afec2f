"""`pixelwise models`."""

from __future__ import annotations

import json

from pixelwise.cli import main


def test_lists_the_methods_and_what_is_published(capsys):
    from pixelwise.cli.known_names import METHODS, PUBLISHED

    assert main(["models"]) == 0
    _, methods, _, published = capsys.readouterr().out.rstrip().split("\n\n")
    assert [line.split()[0] for line in methods.splitlines()] == list(METHODS)
    assert [line.split()[0] for line in published.splitlines()] == list(PUBLISHED)
    row = next(line for line in published.splitlines() if "deeplabv3_resnet50.torchvision-coco-voc" in line)
    assert "mIoU 66.4" in row


def test_counts_any_method(model, capsys, refused):
    assert main(["models", "unet_padded", "--summary", "--num-classes", "2", "--size", "64x96"]) == 0
    assert "31,037,698" in capsys.readouterr().out.replace(" ", "")  # Pytorch-UNet's own count, two classes
    assert main(["models", "unet_padded.milesial-carvana-scale0.5"]) == 0
    assert "github.com/milesial" in capsys.readouterr().out


def test_counts_the_parameters_of_a_file(model, capsys):
    from safetensors import safe_open

    assert main(["models", str(model), "--json"]) == 0
    with safe_open(model, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    learnt = sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith(statistics))
    assert json.loads(capsys.readouterr().out)["parameters"] == learnt > 1000


def test_counts_a_panoptic_method_for_the_classes_of_coco(capsys, refused):
    for words in (
        ["panoptic_fpn_resnet50_1x.detectron2-coco"],
        ["panoptic_fpn"],
        ["panoptic_fpn", "--num-classes", "133", "--arguments", f"things={[*range(80)]}"],
    ):
        assert main(["models", *words, "--summary", "--size", "64"]) == 0
        assert "panoptic_fpn: 46,031,467 parameters" in capsys.readouterr().out
    assert "things=" in refused("models", "panoptic_fpn", "--num-classes", "3")
