from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, features

from pixelwise.images import modern_formats
from pixelwise.images.header import read_header
from pixelwise.images.reading import read_image


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
@pytest.mark.parametrize("ending", ["jp2", "j2k"])
def test_jpeg_2000(save, photo, ending):
    path = save(f"a.{ending}", photo, irreversible=False)
    assert read_header(path).kind == "JPEG 2000"
    assert (read_image(path).permute(1, 2, 0).numpy() == photo).all()


@pytest.mark.skipif("avif" not in features.modules or not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(save, photo):
    path = save("a.avif", np.full((24, 32, 3), 90, np.uint8), quality=95)
    assert read_header(path).kind == "AVIF"
    assert read_header(path).size == (24, 32)
    assert abs(int(read_image(path).float().mean()) - 90) <= 2


def test_heic(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    image = Image.fromarray(np.full((48, 64, 3), 90, np.uint8))
    pillow_heif.from_pillow(image).save(tmp_path / "a.heic", quality=95)
    assert read_header(tmp_path / "a.heic").size == (48, 64)
    assert abs(int(read_image(tmp_path / "a.heic").float().mean()) - 90) <= 2


def test_missing_decoders_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(modern_formats, "can_read_heic", lambda: False)
    monkeypatch.setattr(modern_formats.features, "check", lambda name: False)
    starts = {
        "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0", r"a\.heic is HEIC: pip install 'pixelwise\[heic\]'"),
        "a.avif": (b"\0\0\0\x18ftypavif\0\0\0\0", r"a\.avif is AVIF, which this Pillow cannot read"),
        "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", r"a\.jp2 is JPEG 2000, which this Pillow cannot read"),
    }
    for name, (start, message) in starts.items():
        (tmp_path / name).write_bytes(start)
        with pytest.raises(ValueError, match=message):
            read_header(tmp_path / name)


def test_raw_data_of_a_camera_are_not_their_preview(save):
    """A DNG begins with a small preview, and says by a tag that it is a DNG."""
    path = save("a.tif", np.zeros((4, 6), np.uint8), tiffinfo={50706: b"\1\4\0\0"})
    with pytest.raises(ValueError, match="holds the raw data of a camera: develop it"):
        read_image(path)
    preview = save("b.tif", np.zeros((4, 6), np.uint8), tiffinfo={254: 1, 330: 8})
    assert struct.pack("<H", 330) in preview.read_bytes()
    with pytest.raises(ValueError, match="holds the raw data of a camera: develop it"):
        read_image(preview)
