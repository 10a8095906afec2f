"""Class maps that are written row by row, never whole in memory: palette PNG, and georeferenced TIFF."""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..classes import VOID, Classes, Color
from ..images.rows import gdal
from ..ops.atomic_files import write_aside
from ..types import Array, Size

VOID_COLOR: Color = (224, 224, 192)
"""The palette colour of void in a class map, as in the masks of PASCAL VOC."""

TILE = 256
"""Side of the tiles of a TIFF, pixels. Write multiples of this many rows at once, so that each tile is written once."""

Write = Callable[[Array], None]
"""A function that writes the next rows, (n, W) uint8."""


def palette(classes: Classes) -> Array:
    """Return the colour of each class, and of void, as a palette: (256, 3) uint8."""
    colors = np.zeros((VOID + 1, 3), np.uint8)
    colors[: len(classes)] = classes.colors
    colors[VOID] = VOID_COLOR
    return colors


@contextmanager
def png_rows(path: Path, size: Size, classes: Classes) -> Iterator[Write]:
    """Open a palette PNG of class indices for writing; complete after the block, absent on errors.

    Args:
        path: the file.
        size: the height and width, pixels.
        classes: the classes, for the palette.

    Raises:
        OSError: names the file if it cannot be written.
    """
    packer = zlib.compressobj(6)
    with write_aside(path) as aside, aside.open("wb") as file:

        def chunk(kind: bytes, data: bytes) -> None:
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))

        def write(rows: Array) -> None:
            unfiltered = np.pad(rows, ((0, 0), (1, 0)))  # each row after the number of its filter, 0 for none
            if packed := packer.compress(unfiltered.tobytes()):
                chunk(b"IDAT", packed)

        file.write(b"\x89PNG\r\n\x1a\n")
        chunk(b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], 8, 3, 0, 0, 0))  # 8 bits, indices of a palette
        chunk(b"PLTE", palette(classes).tobytes())
        yield write
        chunk(b"IDAT", packer.flush())
        chunk(b"IEND", b"")


@contextmanager
def tiff_rows(path: Path, size: Size, classes: Classes, like: Path) -> Iterator[Write]:
    """Open a tiled TIFF of class indices with a palette, void as "no data"; complete after the block, absent on errors.

    Args:
        path: the file.
        size: the height and width, pixels.
        classes: the classes, for the palette.
        like: the predicted image, a TIFF, whose coordinate system, transform and control points are copied.

    Raises:
        ImportError: rasterio is not installed.
        OSError: names the file if it cannot be written.
    """
    with write_aside(path) as aside, gdal():
        import rasterio
        from rasterio.windows import Window

        with rasterio.open(like.resolve(), driver="GTiff") as source:
            kept = {"crs": source.crs, "transform": source.transform, "rpcs": source.rpcs}
            if source.gcps[0]:
                kept |= {"gcps": source.gcps[0], "crs": source.gcps[1], "transform": None}
        kept |= {"height": size[0], "width": size[1], "count": 1, "dtype": "uint8", "nodata": VOID}
        tiles = {"tiled": True, "blockxsize": TILE, "blockysize": TILE, "compress": "deflate", "bigtiff": "if_safer"}
        parts: list[tuple[Window, int]] = []  # each written window, and its checksum

        def write(rows: Array) -> None:
            top = parts[-1][0].row_off + parts[-1][0].height if parts else 0
            parts.append((Window(0, top, size[1], len(rows)), zlib.crc32(rows.tobytes())))
            file.write(rows, 1, window=parts[-1][0])

        try:
            with rasterio.open(aside, "w", driver="GTiff", **kept, **tiles) as file:
                file.write_colormap(1, dict(enumerate(map(tuple, palette(classes).tolist()))))
                yield write
            # GDAL does not report a failure while it closes a file, such as a full disk: read everything back.
            with rasterio.open(aside, driver="GTiff") as file:
                whole = all(zlib.crc32(file.read(1, window=part)) == checksum for part, checksum in parts)
        except rasterio.errors.RasterioError:
            whole = False
        if not whole:
            raise OSError(errno.EIO, "GDAL could not write all of it; is the disk full?")
