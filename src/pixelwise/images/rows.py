"""Images that are asked for one window of rows and columns after the other, from top to bottom: large ones are read
from their files in that order, so that a few hundred rows are in memory at a time."""

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
from .conversion import as_rgb, full_scale_of, max_value
from .file_names import open_file
from .header import read_header
from .scaling import scaled, scaled_rows

MAX_WIDTH = 200_000
"""Images that claim longer rows than this are not read in rows: memory grows with them."""

MAX_PIXELS_IN_ROWS = 40_000_000_000
"""Images that claim more pixels than this are not even read in rows: it would take days and fill the disk."""

MAX_BLOCK = 1 << 28
"""The most bytes that a file may make a decoder hold at once: a row of its tiles, or a strip."""

CACHE = 1 << 26
"""Bytes of decoded pixels that GDAL may keep."""

ROWS = 64
"""At least so many rows are read at once."""

TYPES = ("uint8", "uint16", "uint32", "int16", "int32", "float32", "float64")
KINDS = {"TIFF": "GTiff", "PNG": "PNG", "JPEG": "JPEG"}  # the names that GDAL has for them

Window = Callable[[slice, slice], Tensor]
"""(rows, columns) → (3, h, w) uint8 RGB of an image; no window starts above the one before it."""


class Rows(Protocol):
    """An image of which nobody says where its pixels are."""

    @property
    def size(self) -> Size:
        """Height and width, pixels."""
        ...

    def at(self, size: Size) -> Window:
        """The windows of the image scaled to this size, from its top on."""
        ...


@dataclass(frozen=True)
class InMemory:
    """An image that is in memory as a whole.

    Attributes:
        pixels: (3, H, W) uint8.
    """

    pixels: Tensor

    @property
    def size(self) -> Size:
        return self.pixels.shape[1], self.pixels.shape[2]

    def at(self, size: Size) -> Window:
        rows = scaled(self.pixels.permute(1, 2, 0).cpu().numpy(), size)
        image = torch.from_numpy(rows).permute(2, 0, 1)
        return lambda rows, columns: image[:, rows, columns]


class OnDisk:
    """An image in a file, TIFF, PNG or JPEG, of which only the rows that are wanted are in memory.

    Its pixels are those of `read_image`, but that GDAL interpolates the colours of a JPEG differently where they have
    less resolution than its brightness: by half a grey level or so.

    A context manager: the file is open between `with` and the end of its block.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this.

    Attributes:
        path: the file.
        kind: "TIFF", "PNG" or "JPEG".
        size: height and width, pixels.

    Raises:
        ImportError: rasterio is not installed.
        FileNotFoundError: names the file of the most similar name.
        ValueError: the file cannot be read, or not in rows: it lies turned, has a palette, is interlaced, is stored in
            one piece, has rows longer than `MAX_WIDTH`; the message says what to do.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS_IN_ROWS) -> None:
        self.path = Path(path)
        header = read_header(path, max_pixels=max_pixels)
        self.kind, self.size, self._scale = header.kind, header.size, 255.0
        if header.kind not in KINDS:
            raise ValueError(self._refusal(f"is {header.kind}", "save it as a tiled TIFF"))
        if header.orientation != 1:
            raise ValueError(self._refusal("lies turned (EXIF orientation)", "save it upright"))
        if self.size[1] > MAX_WIDTH:
            raise ValueError(self._refusal(f"has rows of more than {MAX_WIDTH:,} pixels", "cut it into pieces"))
        if header.kind != "TIFF" and header.opencv_flags is None:
            what = "has a palette or a transparent colour, or is cut short"
            raise ValueError(self._refusal(what, "save it with 8 bits a colour"))
        self._open = ExitStack()
        with self:
            file = self._dataset()
            self._check(file)
            if file.dtypes[0] != "uint8":
                high = max(max_value(self.path, rows) for rows in self._stored())
                self._scale = full_scale_of(self.path, np.dtype(file.dtypes[0]), high)

    def __enter__(self) -> OnDisk:
        self._open.enter_context(gdal())
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def at(self, size: Size) -> Window:
        rows = (as_rgb(stored, self._scale) for stored in self._stored())
        return _window(scaled_rows(rows, self.size, size), size[1])

    def reduced(self, size: Size) -> Tensor:
        """(3, h, w) uint8: the whole image at a size that memory holds; the file is opened and closed."""
        with self:
            return self.at(size)(slice(0, size[0]), slice(0, size[1]))

    def _dataset(self) -> Any:
        import rasterio

        # The absolute path is a file's and no address; no other driver than that of its first bytes may open it.
        path = str(self.path.resolve())
        try:
            return self._open.enter_context(rasterio.open(path, driver=KINDS[self.kind], sharing=False))
        except rasterio.errors.RasterioError as error:
            raise ValueError(f"{self.path}: the {self.kind} file is broken ({error}): save it anew") from error

    def _stored(self) -> Iterator[Array]:
        """(n, W, D): the next rows as they are in the file, whole rows of its tiles."""
        from rasterio.errors import RasterioError
        from rasterio.windows import Window as Part

        file = self._dataset()
        tall = max(height for height, _ in file.block_shapes)
        rows = math.ceil(ROWS / tall) * tall
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

    def _check(self, file: Any) -> None:
        kinds, details = [kind.name for kind in file.colorinterp], file.tags(ns="IMAGE_STRUCTURE")
        bits = int(file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
        odd = bits < 8 or "palette" in kinds or "MINISWHITE" in details or details.get("SOURCE_COLOR_SPACE") == "CIELAB"
        if (file.height, file.width) != self.size:
            raise ValueError(f"{self.path}: GDAL finds {file.width}x{file.height} pixels in it, and the header others")
        if file.count not in (1, 3, 4) or odd:
            what = f"is neither grey nor in plain colours (it holds {', '.join(kinds)})"
            raise ValueError(self._refusal(what, "save it as grey, RGB or RGBA of 8 bits or more"))
        if any(kind not in TYPES for kind in file.dtypes):
            raise ValueError(self._refusal(f"holds {file.dtypes[0]}", f"save it as one of {', '.join(TYPES)}"))
        with open_file(self.path) as raw:
            interlaced = self.kind == "PNG" and raw.read(29)[28:] == b"\1"
        tall, wide = (max(sides) for sides in zip(*file.block_shapes, strict=True))
        pixel = np.dtype(file.dtypes[0]).itemsize * file.count
        if interlaced or tall * max(wide, file.width) * pixel > MAX_BLOCK:
            what = "is interlaced" if interlaced else f"is stored in pieces of {tall} rows"
            raise ValueError(self._refusal(what, "save it in tiles (rio convert --co tiled=yes OLD NEW.tif)"))

    def _refusal(self, what: str, remedy: str) -> str:
        return f"{self.path} {what}, and is not read row by row: {remedy}"


@contextmanager
def gdal() -> Iterator[None]:
    """GDAL with little memory, whose warnings are errors where pixels are lost, and which reads no files beside.

    Raises:
        ImportError: rasterio is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise ImportError("reading images row by row takes rasterio: pip install 'pixelwise[large]'") from error
    options = {"GDAL_CACHEMAX": CACHE, "GDAL_ERROR_ON_LIBJPEG_WARNING": True}
    with warnings.catch_warnings(), rasterio.Env(**options):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def _window(rows: Iterator[Array], width: int) -> Window:
    """The windows of an image whose rows come one after the other."""
    kept, first = np.empty((0, width, 3), np.uint8), 0

    def window(wanted: slice, columns: slice) -> Tensor:
        nonlocal kept, first
        assert wanted.start >= first, "windows go from top to bottom"
        if wanted.stop > first + len(kept):
            more = [kept[wanted.start - first :]]
            first += len(kept) - len(more[0])
            while wanted.stop > first + sum(map(len, more)):
                more.append(next(rows))
            kept = np.concatenate(more)
        part = kept[wanted.start - first : wanted.stop - first, columns]
        return torch.from_numpy(part).permute(2, 0, 1)

    return window
