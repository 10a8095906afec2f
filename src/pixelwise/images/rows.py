"""Images that are read in windows from top to bottom: of a large file, a few hundred rows are in memory at a time."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..types import Array, Size
from .conversion import as_rgb, check_finite, guessed_range, max_value
from .header import read_header
from .image_file import open_file
from .intensity import IntensityRange
from .reading import EIGHT_BITS
from .scaling import scaled, scaled_rows

MAX_WIDTH = 200_000
"""Images with longer rows are refused: the memory that is needed grows with the width."""

MAX_PIXELS_IN_ROWS = 40_000_000_000
"""Images with more pixels are refused even in rows: predicting them would take days and fill the disk."""

MAX_BLOCK = 1 << 28
"""Maximum number of bytes that a decoder must hold at once: one row of tiles, or one strip."""

GDAL_CACHE = 1 << 26
"""Bytes of decoded pixels that GDAL may keep."""

MIN_ROWS = 64
"""Minimum number of rows that are read at once."""

DTYPES = ("uint8", "uint16", "uint32", "int16", "int32", "float32", "float64")
GDAL_DRIVERS = {"TIFF": "GTiff", "PNG": "PNG", "JPEG": "JPEG"}

Window = Callable[[slice, slice], Tensor]
"""A function (rows, columns) → (3, h, w) uint8 RGB; its windows must be asked for from top to bottom."""


class Rows(Protocol):
    """An image that is read in windows, whether it is in memory or on disk."""

    @property
    def size(self) -> Size:
        """Height and width, pixels."""
        ...

    def at(self, size: Size) -> Window:
        """Start reading the image, resized to `size`, from the top."""
        ...


@dataclass(frozen=True)
class InMemory:
    """An image in memory.

    Attributes:
        pixels: (3, H, W) uint8.
    """

    pixels: Tensor

    @property
    def size(self) -> Size:
        return self.pixels.shape[1], self.pixels.shape[2]

    def at(self, size: Size) -> Window:
        resized = scaled(self.pixels.permute(1, 2, 0).cpu().numpy(), size)
        image = torch.from_numpy(resized).permute(2, 0, 1)
        return lambda rows, columns: image[:, rows, columns]


class OnDisk:
    """A TIFF, PNG or JPEG file, of which only the rows of the current window are in memory.

    Its pixels are those of `read_image`, except that GDAL interpolates the colours of a JPEG differently where they
    have less resolution than its brightness: by about half a grey level.

    A context manager: the file can be read inside a `with` block.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this.
        intensity: the values that become 0 and 255, for an image of more than 8 bits; guessed from its largest value
            when not given, as by `read_image`.

    Attributes:
        path: the file.
        kind: "TIFF", "PNG" or "JPEG".
        size: height and width, pixels.

    Raises:
        ImportError: rasterio is not installed.
        FileNotFoundError: the file does not exist; the error suggests the most similar name.
        ValueError: the file cannot be read, or not row by row: it has an EXIF orientation or a palette, is interlaced,
            is stored in one piece, or has rows longer than `MAX_WIDTH`; the message says what to do.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_pixels: int = MAX_PIXELS_IN_ROWS,
        intensity: IntensityRange | None = None,
    ) -> None:
        self.path = Path(path)
        header = read_header(path, max_pixels=max_pixels)
        self.kind, self.size = header.kind, header.size
        self._intensity = EIGHT_BITS
        if header.pages > 1:
            raise ValueError(self._refusal(f"has {header.pages} pages", "save each as a file of its own"))
        if header.kind not in GDAL_DRIVERS:
            raise ValueError(self._refusal(f"is {header.kind}", "save it as a tiled TIFF"))
        if header.orientation != 1:
            raise ValueError(self._refusal("lies turned (EXIF orientation)", "save it upright"))
        if self.size[1] > MAX_WIDTH:
            raise ValueError(self._refusal(f"has rows of more than {MAX_WIDTH:,} pixels", "cut it into pieces"))
        # Files that OpenCV cannot decode as they are: GDAL would read something else than `read_image`.
        if header.kind != "TIFF" and header.opencv_flags is None:
            what = "has a palette or a transparent colour, or is cut short"
            raise ValueError(self._refusal(what, "save it with 8 bits a colour"))
        self._open = ExitStack()
        with self:
            file = self._dataset()
            self._check_pixels(file)
            self._check_layout(file)
            if file.dtypes[0] != "uint8":
                self._intensity = intensity or self._guessed_range(np.dtype(file.dtypes[0]))

    def __enter__(self) -> OnDisk:
        self._open.enter_context(gdal())
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def at(self, size: Size) -> Window:
        rows = map(self._converted, self._stored_rows())
        return _window(scaled_rows(rows, self.size, size), size[1])

    def _converted(self, stored: Array) -> Array:
        """(n, W, D) stored values → (n, W, 3) uint8."""
        if stored.dtype.kind == "f":
            check_finite(self.path, stored)
        try:
            return as_rgb(stored, self._intensity)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None

    def _guessed_range(self, dtype: np.dtype[Any]) -> IntensityRange:
        """Guess the range from the largest value, for which all rows are read once before the first."""
        return guessed_range(self.path, dtype, max(max_value(self.path, rows) for rows in self._stored_rows()))

    def reduced(self, size: Size) -> Tensor:
        """(3, h, w) uint8: the whole image, resized to `size`; can be called outside of a `with` block."""
        with self:
            return self.at(size)(slice(0, size[0]), slice(0, size[1]))

    def _dataset(self) -> Any:
        import rasterio

        # GDAL takes URLs and names of virtual files too: only an absolute path is certainly a file. It would also open
        # what is disguised as an image: only the driver that belongs to the first bytes may.
        path = str(self.path.resolve())
        try:
            return self._open.enter_context(rasterio.open(path, driver=GDAL_DRIVERS[self.kind], sharing=False))
        except rasterio.errors.RasterioError as error:
            raise ValueError(f"{self.path}: the {self.kind} file is broken ({error}): save it anew") from error

    def _stored_rows(self) -> Iterator[Array]:
        """(n, W, D): the next rows as they are stored, in whole rows of tiles."""
        from rasterio.errors import RasterioError
        from rasterio.windows import Window as Part

        file = self._dataset()
        tile_height = max(height for height, _ in file.block_shapes)
        rows = math.ceil(MIN_ROWS / tile_height) * tile_height
        for top in range(0, file.height, rows):
            part = Part(0, top, file.width, min(rows, file.height - top))
            try:
                yield np.ascontiguousarray(file.read(window=part).transpose(1, 2, 0))
            except RasterioError as error:
                where = f"rows {top} to {top + part.height} of this {self.kind}"
                raise ValueError(
                    f"{self.path}: {where} cannot be read ({error.__cause__ or error}): "
                    "the file is cut short or broken; copy or save it anew"
                ) from error
        file.close()

    def _check_pixels(self, file: Any) -> None:
        """Refuse pixels that GDAL reads otherwise than `read_image`."""
        if (file.height, file.width) != self.size:
            raise ValueError(f"{self.path}: GDAL finds {file.width}x{file.height} pixels in it, and the header others")
        bands = [band.name for band in file.colorinterp]
        structure = file.tags(ns="IMAGE_STRUCTURE")
        bits = int(file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
        is_plain = (
            file.count in (1, 3, 4)
            and bits >= 8
            and "palette" not in bands
            and "MINISWHITE" not in structure
            and structure.get("SOURCE_COLOR_SPACE") != "CIELAB"
        )
        if not is_plain:
            what = f"is neither grey nor in plain colours (it holds {', '.join(bands)})"
            raise ValueError(self._refusal(what, "save it as grey, RGB or RGBA of 8 bits or more"))
        if any(dtype not in DTYPES for dtype in file.dtypes):
            raise ValueError(self._refusal(f"holds {file.dtypes[0]}", f"save it as one of {', '.join(DTYPES)}"))

    def _check_layout(self, file: Any) -> None:
        """Refuse files of which many rows must be decoded to get at one."""
        tile_height = max(height for height, _ in file.block_shapes)
        tile_width = max(width for _, width in file.block_shapes)
        pixel_bytes = np.dtype(file.dtypes[0]).itemsize * file.count
        if self._is_interlaced():
            what = "is interlaced"
        elif tile_height * max(tile_width, file.width) * pixel_bytes > MAX_BLOCK:
            what = f"is stored in pieces of {tile_height} rows"
        else:
            return
        raise ValueError(self._refusal(what, "save it in tiles (rio convert --co tiled=yes OLD NEW.tif)"))

    def _is_interlaced(self) -> bool:
        with open_file(self.path) as file:
            return self.kind == "PNG" and file.read(29)[28:] == b"\1"  # the interlace method in the chunk IHDR

    def _refusal(self, what: str, remedy: str) -> str:
        return f"{self.path} {what}, and is not read row by row: {remedy}"


@contextmanager
def gdal() -> Iterator[None]:
    """Run GDAL with a small cache, and with errors instead of warnings where pixels of a JPEG are lost.

    Raises:
        ImportError: rasterio is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise ImportError("reading images row by row takes rasterio: pip install 'pixelwise[large]'") from error
    options = {"GDAL_CACHEMAX": GDAL_CACHE, "GDAL_ERROR_ON_LIBJPEG_WARNING": True}
    with warnings.catch_warnings(), rasterio.Env(**options):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def _window(rows: Iterator[Array], width: int) -> Window:
    """The windows of an image whose rows are given from top to bottom.

    Args:
        rows: (n, width, 3) uint8, the next n rows.
        width: pixels.
    """
    kept, first = np.empty((0, width, 3), np.uint8), 0  # the rows in memory, and the number of the first of them

    def window(wanted: slice, columns: slice) -> Tensor:
        nonlocal kept, first
        assert wanted.start >= first, "windows go from top to bottom"
        if wanted.stop > first + len(kept):
            parts = [kept[wanted.start - first :]]  # rows above the window will not be asked for again
            first += len(kept) - len(parts[0])
            while wanted.stop > first + sum(map(len, parts)):
                parts.append(next(rows))
            kept = np.concatenate(parts)
        part = kept[wanted.start - first : wanted.stop - first, columns]
        return torch.from_numpy(part).permute(2, 0, 1)

    return window
