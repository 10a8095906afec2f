"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

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
    """The bundled pictures of nuclei with their 16-bit label maps."""
    return ROOT / "src" / "pixelwise" / "data" / "nuclei"
