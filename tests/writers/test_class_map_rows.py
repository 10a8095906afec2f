from __future__ import annotations

import resource
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelwise.classes import Classes
from pixelwise.writers.class_map_rows import VOID_COLOR, Write, png_rows, tiff_rows

rasterio = pytest.importorskip("rasterio")

LAND = Classes(("field", "water", "road"), ((10, 20, 30), (0, 0, 255), (90, 90, 90)))


@pytest.fixture
def source(trial_data) -> Path:
    return trial_data("spacenet-tile") / "sample_geotiff.tif"


@pytest.fixture
def noise() -> np.ndarray:
    """Numbers that do not compress, so that a file has the size that one expects."""
    return np.random.default_rng(0).integers(0, 256, (700, 513), dtype=np.uint8)


@pytest.mark.parametrize("rows", [1, 256, 700])
def test_a_png_is_read_back_equal(rows, noise, tmp_path):
    with png_rows(tmp_path / "a.png", noise.shape, LAND) as write:
        for top in range(0, 700, rows):
            write(noise[top : top + rows])
        assert not (tmp_path / "a.png").exists()
    with Image.open(tmp_path / "a.png") as found:
        assert found.mode == "P"
        assert np.array_equal(np.array(found), noise)
        colors = found.getpalette()
    assert [tuple(colors[3 * k : 3 * k + 3]) for k in (0, 1, 2, 255)] == [*LAND.colors, VOID_COLOR]


def test_a_tiff_is_read_back_equal_and_lies_where_the_image_lies(source, tmp_path):
    maps = np.random.default_rng(0).integers(0, 3, (900, 900), dtype=np.uint8)
    with tiff_rows(tmp_path / "a.tif", (900, 900), LAND, source) as write:
        for top in range(0, 900, 256):
            write(maps[top : top + 256])
    with rasterio.open(source) as image, rasterio.open(tmp_path / "a.tif") as found:
        assert np.array_equal(found.read(1), maps)
        assert (found.crs, found.transform, found.bounds) == (image.crs, image.transform, image.bounds)
        assert found.crs.to_epsg() == 32616
        assert (found.nodata, found.block_shapes) == (255, [(256, 256)])
        assert found.colormap(1)[1] == (0, 0, 255, 255)


def test_control_points_are_kept(noise, tmp_path):
    points = [rasterio.control.GroundControlPoint(y, x, 5e5 + x, 5e6 - y) for y, x in ((0, 0), (0, 512), (699, 0))]
    size = {"count": 1, "height": 700, "width": 513, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", gcps=points, crs="EPSG:32632", **size):
        pass
    with tiff_rows(tmp_path / "b.tif", (700, 513), LAND, tmp_path / "a.tif") as write:
        write(noise)
    with rasterio.open(tmp_path / "b.tif") as found:
        points_found, crs = found.gcps
    assert crs.to_epsg() == 32632
    assert [(p.row, p.col, p.x, p.y) for p in points_found] == [(p.row, p.col, p.x, p.y) for p in points]


def written(way: AbstractContextManager[Write], maps: np.ndarray) -> None:
    with way as write:
        for top in range(0, len(maps), 256):
            write(maps[top : top + 256])


def test_nothing_is_left_of_a_file_that_was_not_finished(noise, source, tmp_path):
    for way in (
        png_rows(tmp_path / "a.png", noise.shape, LAND),
        tiff_rows(tmp_path / "a.tif", noise.shape, LAND, source),
    ):
        with pytest.raises(TypeError):
            written(way, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [1000, 200_000, 355_000])
def test_a_disk_that_is_full_leaves_nothing_half_written(limit, noise, source, tmp_path, capfd):
    """A limit on the size of files stands for the end of the disk; the last is reached while the files are closed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ways = {
        "a.png": png_rows(tmp_path / "a.png", noise.shape, LAND),
        "a.tif": tiff_rows(tmp_path / "a.tif", noise.shape, LAND, source),
    }
    for name, way in ways.items():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with pytest.raises(OSError, match=f"cannot write .*{name}"):
                written(way, noise)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
