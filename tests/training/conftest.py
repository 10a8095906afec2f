"""Small real images, and methods that train on them in milliseconds."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import pytest
import torch


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """The file plain.py, whose methods then stand in MODELS."""
    spec = importlib.util.spec_from_file_location("plain", Path(__file__).with_name("plain.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def cells(nuclei_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64×64 pixels of the bundled nuclei as a mask folder: 8 images to train on, 4 to validate on."""
    folder = tmp_path_factory.mktemp("cells")
    for split, number in (("train", 8), ("val", 4)):
        for line in (nuclei_sample / f"{split}.txt").read_text().split()[:number]:
            name = Path(line).stem
            image, mask = (cv2.imread(str(nuclei_sample / d / f"{name}.png"), -1) for d in ("images", "masks"))
            for kind, pixels in (("images", image), ("masks", (mask > 0).astype("uint8") * 255)):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / kind / split / f"{name}.png"), pixels[:64, :64])
    return folder


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Sums come in the same order in this process and in those that the tests start."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
