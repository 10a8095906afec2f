"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise import Classes, Segmentation
from pixelwise.data.dataset import Dataset, Record
from pixelwise.data.formats.label_map import without_overlap

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def trial_data() -> Callable[[str], Path]:
    """`trial_data("camvid")`: the folder of a real data set that is not part of the project, or a skip."""
    base = Path(os.environ.get("PIXELWISE_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        if not (base / name).is_dir():
            pytest.skip(f"the trial data set {name} is not on this machine (PIXELWISE_DATA names its folder)")
        return base / name

    return find


@pytest.fixture(scope="session")
def nuclei_sample() -> Path:
    """The bundled images of nuclei with their 16-bit label maps."""
    return ROOT / "src" / "pixelwise" / "data" / "nuclei"


@pytest.fixture
def save(tmp_path) -> Callable[..., Path]:
    """`save("images/a.png", array)`: an image file below the test's folder, made with Pillow."""

    def save(name: str, values: object, palette: list[int] | None = None, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.asarray(values))
        if palette:
            image.putpalette(palette)
        image.save(path, **options)
        return path

    return save


@pytest.fixture
def photo() -> np.ndarray:
    """A small image in which no two pixels are alike."""
    values = np.arange(12 * 16 * 3, dtype=np.int64).reshape(12, 16, 3)
    return (values * 37 % 251).astype(np.uint8)


@pytest.fixture
def same():
    """Checks that two data sets hold the same images with the same ground truth."""

    def same(one, other) -> None:
        assert one.classes == other.classes
        assert len(one) == len(other)
        assert len(one) > 0
        for i in range(len(one)):
            assert torch.equal(one.image(i), other.image(i))
            assert one.truth(i) == other.truth(i)

    return same


@pytest.fixture
def shapes(photo) -> Callable[..., Dataset]:
    """Three images with discs that overlap, objects of several classes on a background: as masks, or as ids."""

    def shapes(folder: Path, carrier: str) -> Dataset:
        classes = Classes(("nothing", "disc", "square"), ((0, 0, 0), (9, 8, 7), (255, 0, 3)), (False, True, True), 0)
        truths = {}
        for k in range(3):
            Image.fromarray(np.roll(photo, k, 1)).save(folder / f"p{k}.png")
            rng = np.random.default_rng(k)
            masks = torch.zeros(k + 1, 12, 16, dtype=torch.bool)
            for n in range(k + 1):
                y, x = rng.integers(0, 8, 2)
                masks[n, y : y + 4, x : x + 5] = True
                masks[n, y + 1, x + 2] = n % 2 == 0  # every other one has a hole
            labels = torch.tensor([1 + n % 2 for n in range(k + 1)])
            crowd = torch.tensor([n == 2 for n in range(k + 1)])
            truth = Segmentation(classes, labels, masks=masks, crowd=crowd)
            truths[f"p{k}"] = truth if carrier == "masks" else without_overlap(truth)
        records = tuple(Record(name, folder / f"{name}.png") for name in truths)
        return Dataset(classes, records, "train", "shapes", (), lambda record: truths[record.name])

    return shapes
