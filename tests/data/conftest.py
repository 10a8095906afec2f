from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def save(tmp_path) -> Callable[..., Path]:
    """`save("images/a.png", array)`: a picture file below the test's folder, made with Pillow."""

    def save(name: str, values: object, palette: list[int] | None = None, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.asarray(values))
        if palette:
            picture.putpalette(palette)
        picture.save(path, **options)
        return path

    return save


@pytest.fixture
def photo() -> np.ndarray:
    """A small picture in which no two pixels are alike."""
    values = np.arange(12 * 16 * 3, dtype=np.int64).reshape(12, 16, 3)
    return (values * 37 % 251).astype(np.uint8)
