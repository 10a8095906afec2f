from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.images.tiff_tags import ORIENTATION, read_tiff_tags, reset_orientation


@pytest.fixture(params=["TIFF", "BigTIFF"])
def data(request) -> bytes:
    file = BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    pixels = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    pixels.save(file, "TIFF", exif=exif, big_tiff=request.param == "BigTIFF")
    return file.getvalue()


def test_tags_describe_the_pixels(data):
    tags = read_tiff_tags(Path("a.tif"), BytesIO(data))
    assert (tags.width, tags.height, tags.samples, tags.bits) == (4, 2, 3, (8, 8, 8))
    assert tags.orientation == 6


def test_only_the_orientation_is_reset(data):
    changed = reset_orientation(data)
    before, after = read_tiff_tags(Path("a.tif"), BytesIO(data)), read_tiff_tags(Path("a.tif"), BytesIO(changed))
    assert after == before._replace(orientation=1)
    assert sum(a != b for a, b in zip(data, changed, strict=True)) == 1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_broken_directory_names_the_file(data):
    with pytest.raises(ValueError, match=r"a\.tif: the TIFF file is broken"):
        read_tiff_tags(Path("a.tif"), BytesIO(data[:20]))
