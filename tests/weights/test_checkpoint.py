"""Checkpoints: what they keep, and what is not opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import pixelwise
from pixelwise.classes import Classes
from pixelwise.images.intensity import IntensityRange
from pixelwise.models.unet import UNet
from pixelwise.ops.resize import Resizing
from pixelwise.weights.checkpoint import FORMAT_VERSION, save
from pixelwise.weights.programs import backbone_norms, set_backbone_eps

CLASSES = Classes(("ground", "tree"), colors=((1, 2, 3), (4, 5, 6)), things=(False, True), background=0)


@pytest.fixture
def model():
    return pixelwise.create("unet", classes=CLASSES, width=4)


@pytest.fixture
def path(model, tmp_path) -> Path:
    save(model, tmp_path / "best.safetensors")
    return tmp_path / "best.safetensors"


def rewritten(path: Path, **changes: object) -> Path:
    """The checkpoint with other entries in its record; None takes one out."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        record = json.loads(file.metadata()["pixelwise"]) | changes
    record = {key: value for key, value in record.items() if value is not None}
    save_file(tensors, path, {"pixelwise": json.dumps(record)})
    return path


def test_all_that_is_needed_is_in_the_file(model, tmp_path):
    model.resizing = Resizing(short_side=300)
    save(model.to(memory_format=torch.channels_last), tmp_path / "new" / "m.safetensors", {"scores": {"mIoU": 0.5}})
    loaded = pixelwise.load(tmp_path / "new" / "m.safetensors")
    assert not loaded.training
    assert (loaded.classes, loaded.resizing) == (CLASSES, Resizing(short_side=300))
    assert loaded.record["scores"] == {"mIoU": 0.5}
    assert loaded.record["format_version"] == FORMAT_VERSION
    assert loaded.record["versions"].keys() == {"pixelwise", "torch", "timm"}
    assert loaded.record["normalization"] == {"mean": [0.5] * 3, "std": [0.5] * 3, "scale": 1.0, "bgr": False}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["m.safetensors"]  # nothing left beside it


def test_the_intensity_range_is_kept(model, tmp_path):
    model.intensity = IntensityRange.parse("0,3000;0,2800;0,2500.5")
    save(model, tmp_path / "m.safetensors")
    assert pixelwise.load(tmp_path / "m.safetensors").intensity == model.intensity


def test_settings_of_detection_are_kept(tmp_path):
    model = pixelwise.create("yolact", num_classes=3, backbone="resnet18", width=8)
    model.score_threshold, model.max_detections = 0.25, 7
    save(model, tmp_path / "m.safetensors")
    loaded = pixelwise.load(tmp_path / "m.safetensors")
    assert (loaded.score_threshold, loaded.max_detections) == (0.25, 7)


def test_an_eps_of_the_backbone_is_kept(tmp_path):
    model = pixelwise.create("mask_rcnn", num_classes=3, backbone="resnet18", width=8, variant="torchvision")
    set_backbone_eps(model, 1e-3)
    save(model, tmp_path / "m.safetensors")
    assert {layer.eps for layer in backbone_norms(pixelwise.load(tmp_path / "m.safetensors"))} == {1e-3}


def test_the_folder_of_a_run_stands_for_its_best(model, path):
    save(pixelwise.create("unet", num_classes=3, width=4), path.with_name("last.safetensors"))
    assert pixelwise.load(path.parent).classes == model.classes


def test_what_cannot_be_saved(model, path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"make it with pixelwise\.create"):
        save(UNet(2, width=4), path)
    with pytest.raises(ValueError, match="record has classes"):
        save(model, path, {"classes": ["a"]})
    with pytest.raises(TypeError, match="not JSON serializable"):
        save(model, path, {"where": Path()})
    assert path.read_bytes() == before
    with pytest.raises(OSError, match="cannot write"):
        save(model, path / "below" / "a_file.safetensors")


def test_a_file_that_is_not_there(path):
    with pytest.raises(FileNotFoundError, match=r"did you mean best\.safetensors"):
        pixelwise.load(path.with_name("bset.safetensors"))
    other = path.rename(path.with_name("other.safetensors"))
    with pytest.raises(FileNotFoundError, match=r"is a folder: give a file in it \(other\.safetensors\)"):
        pixelwise.load(other.parent)
    (path.parent / "train").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is no file and no folder .*trian; did you mean .*train\?"):
        pixelwise.load(path.parent / "trian")
    with pytest.raises(FileNotFoundError, match=r"there is no file and no folder .*nope$"):
        pixelwise.load(path.parent / "nope")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        pixelwise.load(path.parent / "no" / "best.safetensors")


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_file(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"best\.safetensors \(\d+ bytes\) is not a whole safetensors file"):
        pixelwise.load(path)


def test_a_pickle_posing_as_a_checkpoint(model, path):
    for archive in (True, False):
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=archive)
        with pytest.raises(ValueError, match=r"is a pickle.*not opened.*pixelwise convert"):
            pixelwise.load(path)


def test_a_header_whose_length_looks_like_a_pickle(tmp_path):
    for length in range(480, 600, 4):  # one of these headers begins with the bytes of a pickle, 80 02
        save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors", {"text": "a" * length})
        if (tmp_path / "x.safetensors").read_bytes()[:2] == b"\x80\x02":
            break
    else:
        pytest.fail("no header of that length")
    with pytest.raises(ValueError, match="pixelwise did not write"):
        pixelwise.load(tmp_path / "x.safetensors")


def test_a_safetensors_file_of_somebody_else(model, path):
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"did not write.*pixelwise\.load_weights"):
        pixelwise.load(path)
    save_file({"weight": torch.zeros(3)}, path, {"pixelwise": "{not json"})
    with pytest.raises(ValueError, match="did not write"):
        pixelwise.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, r"checkpoint format 99, and this pixelwise reads format 1.*'pixelwise'"),
        ({"architecture": "unett"}, "no model 'unett': did you mean 'unet'"),
        ({"architecture": "transformer9"}, "no model 'transformer9'"),
        ({"arguments": {"depth": 3}}, "no argument 'depth'"),
        ({"arguments": {"width": 8}}, "size mismatch"),
        ({"arguments": {"width": 4, "pretrained": "/etc/passwd"}}, "pretrained cannot be among the arguments"),
        ({"arguments": {"backbone": "resnet9000"}}, "no backbone 'resnet9000'"),
        ({"arguments": [1]}, "does not fit its own record"),
        ({"classes": None}, "no 'classes'"),
        ({"classes": {"names": ["a"]}}, "no 'colors'"),
        ({"classes": 3}, "does not fit its own record"),
        ({"resizing": {"size": 3}}, "unexpected keyword argument 'size'"),
        ({"normalization": {"mean": [0.0], "std": [1.0]}}, "it was trained on pixels normalised with"),
    ],
)
def test_a_record_that_is_not_true_here(path, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        pixelwise.load(rewritten(path, **changes))
    assert str(path) in str(caught.value)
