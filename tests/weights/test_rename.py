"""Other libraries' weights: outputs equal to those recorded from the libraries themselves, and nothing lost unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from filling import make_image, sixteen, state_dict
from safetensors.torch import save_file

import pixelwise
from pixelwise.layers.normalize import Normalize
from pixelwise.weights.rename import recognise

RECORDS = sorted((Path(__file__).parents[1] / "golden").glob("parity_*.json"))
MILESIAL = next(path for path in RECORDS if path.stem == "parity_milesial_transposed")


def theirs(path: Path) -> dict[str, torch.Tensor]:
    return state_dict(json.loads(path.read_text("utf-8"))["shapes"])


@pytest.fixture(scope="module")
def padded():
    return pixelwise.create("unet_padded", num_classes=3)


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem.removeprefix("parity_"))
def test_the_outputs_are_those_of_the_library(path):
    record = json.loads(path.read_text("utf-8"))
    model = pixelwise.create(**record["create"]).eval()
    model.normalize = Normalize()  # the peers were shown the image as it is
    unused = pixelwise.load_weights(model, state_dict(record["shapes"]), record["layout"]).unused
    assert sorted(unused) == sorted(record.get("unused", []))
    sizes = [tuple(map(int, size.split("x"))) for size in record["outputs"]]
    sizes = [
        size for size in sizes if not path.stem.endswith("convnext_atto") or size == (64, 96)
    ]  # padded, theirs cut
    with torch.no_grad():
        for height, width in sizes:
            wanted = record["outputs"][f"{height}x{width}"]
            logits, auxiliary = model(make_image(height, width))
            assert logits.shape[-2:] == (height, width)
            found = [value for one in (logits, *auxiliary)[: len(wanted) // 16] for value in sixteen(one)]
            assert found == pytest.approx(wanted, rel=0, abs=1e-5 * max(1, *map(abs, wanted)))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem.removeprefix("parity_"))
def test_whose_weights_these_are(path):
    record = json.loads(path.read_text("utf-8"))
    layout, table = recognise(state_dict(record["shapes"])) or ("", None)
    assert (layout, table and table.architecture) == (record["layout"], record["create"]["name"])


def test_weights_of_another_method_are_named(padded, tmp_path):
    smp = theirs(next(path for path in RECORDS if path.stem == "parity_smp_resnet18"))
    with pytest.raises(ValueError, match="holds unet in the layout 'smp', not unet_padded in the layout 'milesial'"):
        pixelwise.load_weights(padded, smp, "milesial")
    save_file(smp, tmp_path / "smp.safetensors")
    with pytest.raises(ValueError, match=r"convert \S+smp\.safetensors --layout smp --model unet --out"):
        pixelwise.load(tmp_path / "smp.safetensors")
    pixelwise.save(padded, tmp_path / "ours.safetensors")
    with pytest.raises(ValueError, match=r"ours\.safetensors is already a checkpoint of pixelwise"):
        pixelwise.load_weights(padded, tmp_path / "ours.safetensors", "milesial")


def test_a_tensor_without_a_place_is_an_error(padded):
    before = {name: value.clone() for name, value in padded.state_dict().items()}
    with pytest.raises(ValueError, match=r"outc\.extra \(1,\) has no place"):
        pixelwise.load_weights(padded, {**theirs(MILESIAL), "outc.extra": torch.zeros(1)}, "milesial")
    assert all(torch.equal(value, before[name]) for name, value in padded.state_dict().items())


def test_a_tensor_that_is_not_filled_is_an_error(padded):
    short = theirs(MILESIAL)
    del short["up2.up.bias"]
    with pytest.raises(ValueError, match=r"up\.1\.up\.bias \(256,\) is not filled"):
        pixelwise.load_weights(padded, short, "milesial")


def test_a_shape_that_differs_is_an_error():
    model = pixelwise.create("unet_padded", num_classes=2)
    with pytest.raises(ValueError, match=r"outc\.conv\.weight is \(3, 64, 1, 1\), but head\.weight is \(2, 64, 1, 1\)"):
        pixelwise.load_weights(model, theirs(MILESIAL), "milesial")


def test_what_is_dropped_is_listed_and_wrappers_are_opened(padded, tmp_path):
    wrapped = {f"module.{name}": value for name, value in theirs(MILESIAL).items()}
    torch.save({"epoch": 3, "state_dict": {**wrapped, "mask_values": [0, 255]}}, tmp_path / "theirs.pth")
    unused = pixelwise.load_weights(padded, tmp_path / "theirs.pth", "milesial").unused
    assert set(unused) == {"mask_values"}
    assert torch.equal(padded.head.bias, theirs(MILESIAL)["outc.conv.bias"])


def test_older_files_have_no_counters(padded):
    old = {name: value for name, value in theirs(MILESIAL).items() if not name.endswith("num_batches_tracked")}
    assert pixelwise.load_weights(padded, old, "milesial").unused == {}


def test_the_wrong_model_layout_and_file(padded, tmp_path):
    with pytest.raises(ValueError, match="did you mean 'milesial'"):
        pixelwise.load_weights(padded, theirs(MILESIAL), "milesal")
    with pytest.raises(ValueError, match="holds unet_padded in the layout 'milesial', not"):
        pixelwise.load_weights(padded, theirs(MILESIAL), "smp")
    with pytest.raises(ValueError, match=r"has no unet_padded.*create\('unet', backbone"):
        pixelwise.load_weights(padded, {"nobody's": torch.zeros(1)}, "smp")
    with pytest.raises(ValueError, match="holds no tensors"):
        pixelwise.load_weights(padded, {"epoch": 3}, "milesial")
    torch.save(theirs(MILESIAL), tmp_path / "carvana.pth")
    with pytest.raises(FileNotFoundError, match=r"did you mean carvana\.pth"):
        pixelwise.load_weights(padded, tmp_path / "carvanna.pth", "milesial")


def test_a_pickle_that_runs_a_program_is_refused(padded, tmp_path):
    (tmp_path / "evil.pth").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR.")
    torch.save({"state_dict": {}, "run": Path(tmp_path)}, tmp_path / "more.pth")
    for name, said in (
        ("evil.pth", "not a whole safetensors"),
        ("more.pth", r"holds pathlib\S*, more than tensors; .* safetensors$"),
    ):
        with pytest.raises(ValueError, match=f"{name}.* {said}"):
            pixelwise.load_weights(padded, tmp_path / name, "milesial")
    assert not (tmp_path / "owned").exists()
