from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from pixelwise.images.header import read_header, read_palette


@pytest.mark.parametrize(
    ("ending", "kind"), [("jpg", "JPEG"), ("png", "PNG"), ("tif", "TIFF"), ("webp", "WebP"), ("bmp", "BMP")]
)
def test_headers(save, photo, ending, kind):
    header = read_header(save(f"a.{ending}", photo))
    assert (header.kind, header.stored, header.size, header.orientation) == (kind, (12, 16), (12, 16), 1)


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_the_size_of_a_turned_photo(save, photo, ending):
    exif = Image.Exif()
    exif[274] = 8
    header = read_header(save(f"a.{ending}", photo, exif=exif))
    assert (header.stored, header.size, header.orientation) == ((12, 16), (16, 12), 8)


def test_the_name_does_not_decide(save, photo, tmp_path):
    (tmp_path / "a.jpg").write_bytes(save("a.png", photo).read_bytes())
    assert read_header(tmp_path / "a.jpg").kind == "PNG"


def test_palette(save, photo):
    path = save("a.png", np.array([[0, 1]], np.uint8), palette=[1, 2, 3, 4, 5, 6])
    assert read_palette(path)[:2] == ((1, 2, 3), (4, 5, 6))
    assert read_palette(save("b.png", photo)) == ()


def test_pages_and_bands(save, tmp_path):
    pages = [Image.fromarray(np.full((3, 4), k, np.uint8)) for k in range(3)]
    pages[1].save(tmp_path / "pages.tif", save_all=True, append_images=pages[2:])
    assert read_header(tmp_path / "pages.tif").pages == 2
    data = bytearray(save("bands.tif", np.zeros((3, 4, 3), np.uint8)).read_bytes())
    tag = data.index(struct.pack("<HHI", 277, 3, 1)) + 8
    data[tag : tag + 2] = struct.pack("<H", 8)
    (tmp_path / "bands.tif").write_bytes(data)
    with pytest.raises(ValueError, match=r"bands\.tif: the TIFF has 8 bands: choose one, or three"):
        read_header(tmp_path / "bands.tif")
