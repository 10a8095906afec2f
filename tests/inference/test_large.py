from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import pixelwise
from pixelwise.images.intensity import IntensityRange
from pixelwise.images.rows import OnDisk
from pixelwise.inference import folder as files
from pixelwise.inference import large as module
from pixelwise.inference.folder import predict_files
from pixelwise.inference.large import predict_large
from pixelwise.inference.predictor import Predictor
from pixelwise.models.base import SemanticModel, SemanticOutputs
from pixelwise.ops.resize import Resizing

rasterio = pytest.importorskip("rasterio")


class Small(SemanticModel):
    """Convolutions on a stride of 2: how a pixel differs from those around it decides, in dark images too."""

    stride = 2

    def __init__(self, num_classes: int = 4) -> None:
        super().__init__(num_classes)
        torch.manual_seed(0)
        self.down = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.inside = nn.Conv2d(8, num_classes, 5, padding=2, bias=False)

    def forward(self, images: Tensor) -> SemanticOutputs:
        features = nn.functional.max_pool2d(self.down(images).relu(), 2)
        return SemanticOutputs(
            nn.functional.interpolate(20 * self.inside(features), images.shape[-2:], mode="bilinear")
        )


@pytest.fixture
def satellite(trial_data) -> Path:
    """900×900 pixels of 16 bits."""
    return trial_data("spacenet-tile") / "sample_geotiff.tif"


@pytest.fixture
def large_images(monkeypatch):
    """Images of more than 10,000 pixels are large."""
    monkeypatch.setattr(files, "STREAMING_THRESHOLD", 10_000)


def indices(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


@pytest.mark.parametrize("options", [{}, {"flip": "both"}, {"scales": (0.5, 1.0), "tile": 256}], ids=str)
@pytest.mark.parametrize("resizing", [Resizing(), Resizing(short_side=400)], ids=["as is", "400"])
def test_from_disk_to_disk_equals_in_memory(options, resizing, satellite, tmp_path, monkeypatch):
    monkeypatch.setattr("pixelwise.inference.method.MAX_UNTILED_PIXELS", 1)
    model = Small()
    model.resizing = resizing
    predictor = Predictor(model, **{"tile": 320} | options)
    expected = predictor(satellite).class_map().numpy()
    assert len(np.unique(expected)) == 4
    monkeypatch.setattr(module, "OVERVIEW", 300)
    with OnDisk(satellite) as image:
        reduced = predict_large(predictor, image, tmp_path / "a.tif", progress=False)
    found = indices(tmp_path / "a.tif")
    # Scaled images may differ in single grey levels.
    assert np.mean(found != expected) <= (0 if resizing.short_side is None and "scales" not in options else 0.01)
    assert np.array_equal(reduced.class_map().numpy(), found[1::3, 1::3])


def test_tiles_leave_no_seam(satellite):
    """A U-Net that sees 102 pixels to each side; tiles have 288 in common, of which 108 at their edges do not count.

    Where they have nothing in common there are seams: the test would see them.
    """
    torch.manual_seed(0)
    model = pixelwise.create("unet", num_classes=3, width=4)
    with torch.no_grad():
        for weights in model.network.head.parameters():
            weights.mul_(30)
    whole = Predictor(model).probabilities(satellite)
    away = (slice(None), slice(102, -102), slice(102, -102))
    found = Predictor(model, tile=576, overlap=0.5).probabilities(satellite)
    assert (found - whole)[away].abs().max() < 1e-3
    separate = Predictor(model, tile=576, overlap=0.0).probabilities(satellite)
    assert (separate - whole)[away].abs().max() > 1e-2


def test_files_go_from_disk_to_disk_by_themselves(satellite, nuclei_sample, large_images, tmp_path, capsys):
    photo = sorted((nuclei_sample / "images").glob("*"))[0]
    done = predict_files(Small(), [satellite, photo], tmp_path)
    assert [path.name for path in done.done] == [satellite.name, photo.name]
    with rasterio.open(satellite) as image, rasterio.open(tmp_path / "class-map" / "sample_geotiff.tif") as found:
        assert found.transform == image.transform
    with Image.open(tmp_path / "class-map" / f"{photo.stem}.png") as found:
        assert np.array_equal(np.array(found), Predictor(Small())(photo).class_map().numpy())
    with Image.open(tmp_path / "overlay" / "sample_geotiff.jpg") as drawn:
        assert drawn.width == 900
    told = capsys.readouterr().err
    assert "sample_geotiff.tif: 900x900 pixels, from disk to disk" in told
    assert "predict: 4 of 4 bands of 256 rows" in told


def test_what_takes_whole_images_reads_them_whole(satellite, large_images, tmp_path, capsys, monkeypatch):
    formats = ("coco", "class-map")
    assert predict_files(Small(), satellite, tmp_path, formats=formats).done == (satellite,)
    assert "900x900 pixels are held in memory: coco can be had of whole images only" in capsys.readouterr().err
    assert (tmp_path / "class-map" / "sample_geotiff.png").exists()
    monkeypatch.setattr(files, "MAX_PIXELS", 809_999)
    ((_, reason),) = predict_files(Small(), satellite, tmp_path, formats=formats).failed
    assert "900x900 pixels, too many to be held in memory: coco can be had" in reason


def test_without_rasterio_images_are_read_whole(satellite, large_images, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert predict_files(Small(), satellite, tmp_path, formats=("class-map",)).done == (satellite,)
    assert "takes rasterio: pip install 'pixelwise[large]'" in capsys.readouterr().err


def test_a_file_that_is_cut_short_leaves_nothing_and_does_not_end_the_work(large_images, tmp_path, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (600, 200, 3), dtype=np.uint8)
    for name in ("a", "b"):
        Image.fromarray(noise).save(tmp_path / f"{name}.png", compress_level=0)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:200_000] + b"\0" * 1000 + data[201_000:])
    done = predict_files(Small(), tmp_path / "*.png", tmp_path / "out")
    assert [path.name for path in done.done] == ["b.png"]
    assert "a.png" in done.failed[0][1]
    assert [path.name for path in (tmp_path / "out" / "class-map").iterdir()] == ["b.png"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_height(tmp_path):
    """12 classes, 8000×4096 pixels: all logits would be 1573 MB, a row of tiles 201 MB, where two overlap 50 MB."""
    code = (
        "import resource, sys, torch, pixelwise\n"
        "from pathlib import Path\n"
        "from pixelwise.images.rows import OnDisk\n"
        "from pixelwise.inference.large import predict_large\n"
        "from pixelwise.inference.predictor import Predictor\n"
        "from pixelwise.models.base import SemanticModel, SemanticOutputs\n"
        "torch.set_num_threads(1)\n"
        "class Plain(SemanticModel):\n"
        "    def forward(self, images): return SemanticOutputs(images.mean(1, keepdim=True).expand(-1, 12, -1, -1))\n"
        "predictor = Predictor(Plain(12))\n"
        "predictor(torch.zeros(3, 64, 64, dtype=torch.uint8))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "predict_large(predictor, OnDisk(sys.argv[1]), Path(sys.argv[1] + '.png'), progress=False)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    Image.new("RGB", (4096, 8000)).save(tmp_path / "a.png", compress_level=1)
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "a.png"], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 600


def test_a_range_of_the_model_holds_in_rows_too(satellite, large_images, tmp_path):
    model = Small()
    model.intensity = IntensityRange(((300.0, 2500.0),))
    predict_files(model, satellite, tmp_path, formats=["class-map"], progress=False)
    whole = Predictor(model)(satellite).class_map().numpy()
    assert (indices(tmp_path / "class-map" / "sample_geotiff.tif") != whole).mean() < 0.001
    with OnDisk(satellite, intensity=model.intensity) as image:
        rows = image.at(image.size)(slice(0, 900), slice(0, 900))
    assert (rows == pixelwise.read_image(satellite, intensity=model.intensity)).all()
