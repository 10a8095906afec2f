"""Small real images, and methods that train on them in milliseconds."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from pixelwise.models import MODELS


@pytest.fixture(scope="module")
def plain() -> Iterator[ModuleType]:
    """The file plain.py, whose methods stand in MODELS as long as these tests run."""
    spec = importlib.util.spec_from_file_location("plain", Path(__file__).with_name("plain.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["plain"] = module  # where a checkpoint looks for the file of the class
    spec.loader.exec_module(module)
    yield module
    del sys.modules["plain"], MODELS["plain"], MODELS["noisy"], MODELS["helped"]


@pytest.fixture(scope="session")
def cells(nuclei_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64×64 pixels of the bundled nuclei as a mask folder: 8 images to train on, 4 to validate on."""
    folder = tmp_path_factory.mktemp("cells")
    for split, number in (("train", 8), ("val", 4)):
        for line in (nuclei_sample / f"{split}.txt").read_text().split()[:number]:
            name = Path(line).stem
            image = cv2.imread(str(nuclei_sample / "images" / f"{name}.png"), -1)
            mask = cv2.imread(str(nuclei_sample / "masks" / f"{name}.png"), -1)
            for kind, pixels in (("images", image), ("masks", (mask > 0).astype("uint8") * 255)):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / kind / split / f"{name}.png"), pixels[:64, :64])
    return folder


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright squares on dark noise, 32×32 pixels, as a mask folder: what even a small network learns in a second."""
    folder, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    for split, number in (("train", 16), ("val", 8)):
        for k in range(number):
            top, left = rng.integers(2, 14, 2)
            mask = np.zeros((32, 32), np.uint8)
            mask[top : top + 14, left : left + 14] = 255
            image = rng.integers(0, 120, (32, 32, 3), np.uint8) + (mask // 2)[..., None]
            for kind, pixels in (("images", image), ("masks", mask)):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / kind / split / f"{k}.png"), pixels)
    return folder


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Sums come in the same order in this process and in those that the tests start."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
