from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pixelwise.images import rows as module
from pixelwise.images.reading import read_image
from pixelwise.images.rows import InMemory, OnDisk

rasterio = pytest.importorskip("rasterio")
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

MAX_UNTILED_PIXELS = slice(None)


def whole(path: Path) -> Tensor:
    """The image as a network would see it in tiles of 100 rows that overlap by 30, put together."""
    with OnDisk(path) as image:
        height, width = image.size
        window, parts = image.at(image.size), []
        for top in range(0, height, 70):
            left, right = (window(slice(top, min(top + 100, height)), half) for half in _halves(width))
            parts.append(torch.cat([left, right], 2)[:, :70])
    return torch.cat(parts, 1)


def _halves(width: int) -> tuple[slice, slice]:
    return slice(0, width // 2), slice(width // 2, width)


def write_tiff(path: Path, pixels: np.ndarray, **options) -> Path:
    bands = np.atleast_3d(pixels).transpose(2, 0, 1)
    size = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver="GTiff", **size, **options) as file:
        file.write(bands)
    return path


@pytest.fixture
def photo(nuclei_sample) -> np.ndarray:
    """(150, 203, 3) of a real image, in colours of its own."""
    with Image.open(sorted((nuclei_sample / "images").glob("*"))[0]) as image:
        pixels = np.array(image.convert("RGB").resize((203, 150)))
    return np.stack([pixels[..., 0], 255 - pixels[..., 1], pixels[::-1, :, 2]], 2)


TILED = {"tiled": True, "blockxsize": 64, "blockysize": 32, "compress": "deflate"}


@pytest.mark.parametrize("options", [{}, TILED, TILED | {"interleave": "band"}, {"compress": "lzw", "blockysize": 5}])
@pytest.mark.parametrize("kind", ["rgb", "grey", "rgba", "12 bit", "16 bit grey", "16 bit rgba", "float"])
def test_a_tiff_row_by_row_equals_the_tiff_read_whole(options, kind, photo, tmp_path):
    alpha = np.dstack([photo, photo[:, ::-1, 0]])
    pixels = {
        "rgb": photo,
        "grey": photo[..., 0],
        "rgba": alpha,
        "12 bit": photo.astype(np.uint16) * 16,
        "16 bit grey": photo[..., 1].astype(np.uint16) * 200 + 7,
        "16 bit rgba": alpha.astype(np.uint16) * 257,
        "float": photo[..., 0] / np.float32(255),
    }[kind]
    photometric = {"photometric": "rgb" if pixels.ndim == 3 else "minisblack"}
    path = write_tiff(tmp_path / "a.tif", pixels, **photometric, **options)
    separate = options.get("interleave") == "band" and pixels.ndim == 3 and pixels.dtype != np.uint8
    expected = write_tiff(tmp_path / "b.tif", pixels, **photometric) if separate else path  # not read whole
    assert torch.equal(whole(path), read_image(expected))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16"])
def test_a_png_row_by_row_equals_the_png_read_whole(mode, photo, tmp_path):
    image = Image.fromarray(photo[..., 0].astype(np.uint16) * 99) if mode == "I;16" else Image.fromarray(photo)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(photo[..., 1]))
    image = image if mode == "I;16" else image.convert(mode)
    image.save(tmp_path / "a.png")
    assert torch.equal(whole(tmp_path / "a.png"), read_image(tmp_path / "a.png"))


@pytest.mark.parametrize(("mode", "subsampling", "max_difference"), [("L", 0, 0.0), ("RGB", 0, 0.01), ("RGB", 2, 1.0)])
def test_a_jpeg_row_by_row_is_about_the_jpeg_read_whole(mode, subsampling, max_difference, nuclei_sample, tmp_path):
    """Where the colours have half the resolution, the decoders interpolate them differently."""
    with Image.open(sorted((nuclei_sample / "images").glob("*"))[0]) as image:
        image.convert(mode).save(tmp_path / "a.jpg", quality=95, subsampling=subsampling)
    actual, expected = whole(tmp_path / "a.jpg").float(), read_image(tmp_path / "a.jpg")
    assert (actual - expected).abs().mean() <= max_difference


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colours_become_rgb(mode, photo, tmp_path):
    Image.fromarray(photo).convert(mode).save(tmp_path / "a.tif")
    assert (whole(tmp_path / "a.tif").int() - read_image(tmp_path / "a.tif")).abs().max() <= 1


def test_a_real_satellite_image_of_16_bits(trial_data):
    path = trial_data("spacenet-tile") / "sample_geotiff.tif"
    assert torch.equal(whole(path), read_image(path))


@pytest.mark.parametrize("size", [(75, 101), (60, 81), (200, 271)])
def test_scaled_row_by_row(size, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.png")
    actual = OnDisk(tmp_path / "a.png").reduced(size)
    expected = InMemory(read_image(tmp_path / "a.png")).at(size)(MAX_UNTILED_PIXELS, MAX_UNTILED_PIXELS)
    assert (actual.int() - expected).abs().max() <= 1


def test_several_windows_at_once_and_again(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.png")
    image, expected = OnDisk(tmp_path / "a.png"), read_image(tmp_path / "a.png")
    for _ in range(2):
        with image:
            first, second = image.at(image.size), image.at(image.size)
            for top in range(0, 150, 50):
                rows = slice(top, top + 50)
                assert torch.equal(first(rows, slice(0, 9)), second(rows, slice(0, 9)))
                assert torch.equal(first(rows, MAX_UNTILED_PIXELS), expected[:, rows])


def interlaced(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)


def test_what_cannot_be_read_in_rows_says_what_to_do(photo, tmp_path, monkeypatch):
    image, path = Image.fromarray(photo), tmp_path / "a.png"
    turned = Image.Exif()
    turned[274] = 6
    for change, message in {
        "palette": "has a palette .* save it with 8 bits a colour",
        "turned": "lies turned .* save it upright",
        "interlaced": "is interlaced, .* save it in tiles",
        "bmp": "is BMP, .* save it as a tiled TIFF",
    }.items():
        to_save = image.convert("P") if change == "palette" else image
        extra = {"exif": turned} if change == "turned" else {}
        to_save.save(path, "BMP" if change == "bmp" else "PNG", **extra)
        if change == "interlaced":
            interlaced(path)
        with pytest.raises(ValueError, match=f"a.png {message}"):
            OnDisk(path)
    for mode in ("1", "P", "LA", "LAB"):
        image.convert(mode).save(tmp_path / "b.tif")
        with pytest.raises(ValueError, match="neither grey nor in plain colours .* save it as grey, RGB or RGBA"):
            OnDisk(tmp_path / "b.tif")
    with pytest.raises(ValueError, match="neither grey nor in plain colours"):
        OnDisk(write_tiff(tmp_path / "white.tif", photo[..., 0], photometric="miniswhite"))
    one_strip = write_tiff(tmp_path / "strip.tif", photo, blockysize=150, photometric="rgb", compress="deflate")
    monkeypatch.setattr(module, "MAX_BLOCK", 3 * 150 * 203 - 1)
    with pytest.raises(ValueError, match="is stored in pieces of 150 rows, .*rio convert"):
        OnDisk(one_strip)


def test_hostile_sizes_are_refused_before_a_pixel_is_read(photo, tmp_path, monkeypatch):
    sparse = tmp_path / "sparse.tif"
    with rasterio.open(
        sparse, "w", driver="GTiff", count=1, height=900_000, width=190_000, dtype="uint8", tiled=True, SPARSE_OK=True
    ):
        pass
    assert sparse.stat().st_size < 1 << 26
    with pytest.raises(ValueError, match="40,000,000,000 are allowed"):
        OnDisk(sparse)
    Image.fromarray(photo).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="203x150, 30,450 pixels; 30,449 are allowed"):
        OnDisk(tmp_path / "a.png", max_pixels=150 * 203 - 1)
    monkeypatch.setattr(module, "MAX_WIDTH", 202)
    with pytest.raises(ValueError, match="has rows of more than 202 pixels"):
        OnDisk(tmp_path / "a.png")


def test_only_images_are_opened_whatever_they_are_called(tmp_path):
    disguised = tmp_path / "a.tif"
    disguised.write_text("<VRTDataset rasterXSize='9' rasterYSize='9'></VRTDataset>")
    with pytest.raises(ValueError, match="is no image"):
        OnDisk(disguised)
    with pytest.raises(FileNotFoundError):
        OnDisk("/vsicurl/http://127.0.0.1/a.tif")


def test_wrong_values_and_files_cut_short(photo, tmp_path):
    broken = photo[..., 0] / np.float32(255)
    broken[140, 3] = np.nan
    with pytest.raises(ValueError, match=r"nan\.tif: 1 of \d+ values are NaN"):
        OnDisk(write_tiff(tmp_path / "nan.tif", broken))
    with pytest.raises(ValueError, match="negative values"):
        OnDisk(write_tiff(tmp_path / "minus.tif", photo.astype(np.int16) - 200))
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8)
    path = write_tiff(tmp_path / "cut.tif", noise, photometric="rgb")
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(ValueError, match=r"cut\.tif: rows \d+ to \d+ of this TIFF cannot be read .* cut short"):
        whole(path)


def test_without_rasterio(photo, tmp_path, monkeypatch):
    Image.fromarray(photo).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(ImportError, match=r"pip install 'pixelwise\[large\]'"):
        OnDisk(tmp_path / "a.png")
