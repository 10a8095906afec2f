"""Headers of image files: size, orientation and kind of pixel, without decoding the pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import cv2

from . import tiff_tags
from .image_file import BROKEN_FILE_ERRORS, open_file, open_with_pillow
from .tiff_tags import TiffTags, page_offsets, read_tiff_tags

MAX_PIXELS = 500_000_000
"""Images whose header claims more pixels are refused before they are decoded as a whole; `rows.OnDisk` has limits of
its own."""

HIGH_BIT_MODES = ("I", "F", "u2", "u4", "i2", "i4", "f4", "f8")
"""Prefixes of `Header.mode` for pixels whose values have more than 8 bits."""

# What OpenCV reads from a TIFF with the values that are stored: sample format and bytes per value.
_OPENCV_TIFF_VALUES = ("u1", "u2", "u4", "i2", "i4", "f4", "f8")
_SAMPLE_FORMAT_LETTERS = {1: "u", 2: "i", 3: "f"}

# Bytes at the end of a file that are searched for its end marker.
_TAIL = 64


@dataclass(frozen=True)
class Header:
    """The header of an image file.

    Attributes:
        kind: "JPEG", "PNG", "TIFF", "BMP", "WebP", "GIF", "PPM", "JPEG 2000", "AVIF" or "HEIC".
        stored: height and width of the stored rows, pixels.
        orientation: EXIF orientation, 1 to 8: how the stored rows must be turned to be upright.
        mode: Pillow's name for the kind of pixel ("RGB", "L", "P", "I;16", …). A TIFF that OpenCV can read has, for
            values of more than 8 bits, NumPy's short name of their type ("u2", "f4", …).
        opencv_flags: flags for `cv2.imdecode`, or None where Pillow must decode the file.
        bits: of a value; of floating point numbers too.
        pages: number of pages of a TIFF (without overviews), or of frames of an animated GIF, PNG or WebP.
        page_offset: of a TIFF with several pages, where the directory of the page begins.
        black: of a TIFF of more than 8 bits in which 0 is white, the value that is black; else 0.
    """

    kind: str
    stored: tuple[int, int]
    orientation: int
    mode: str
    opencv_flags: int | None
    bits: int = 8
    pages: int = 1
    page_offset: int | None = None
    black: int = 0

    @property
    def is_deep(self) -> bool:
        """True where values have more than 8 bits."""
        return self.bits > 8

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright image, pixels."""
        height, width = self.stored
        return (width, height) if self.orientation >= 5 else (height, width)


def read_header(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the header of an image file, which takes some 50 µs.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this.

    Raises:
        FileNotFoundError: the file does not exist; the error suggests the most similar name.
        ValueError: the file is empty, not an image, too large, or its header is broken.
    """
    path = Path(path)
    with open_file(path) as file:
        return parse_header(path, file, max_pixels)


def parse_header(path: Path, file: BinaryIO, max_pixels: int, page: int = 1) -> Header:
    """Read the header of an open image file; as `read_header`, but of any page.

    Raises:
        ValueError: as `read_header`; also where the file has fewer pages.
    """
    if file.read(4) in tiff_tags.SIGNATURES:
        header = _tiff_page_header(path, file, page)
    else:
        header = _pillow_header(path, file)
    if not 1 <= page <= header.pages:
        raise ValueError(f"{path} has no page {page}: its pages are numbered from 1 to {header.pages}")
    height, width = header.stored
    if height < 1 or width < 1:
        raise ValueError(f"{path}: the image is {width}x{height}, it has no pixels")
    if height * width > max_pixels:
        raise ValueError(
            f"{path}: the image is {width}x{height}, {height * width:,} pixels; {max_pixels:,} are allowed: "
            "cut it into tiles or make it smaller, or raise max_pixels when you trust the file"
        )
    return header


def read_palette(path: str | os.PathLike[str]) -> tuple[tuple[int, int, int], ...]:
    """The colours (RGB) that a palette image gives to its indices; empty for other images."""
    path = Path(path)
    if read_header(path).mode != "P":
        return ()
    with open_file(path) as file, open_with_pillow(path, file) as image:
        values = image.getpalette("RGB") or []
    return tuple((values[k], values[k + 1], values[k + 2]) for k in range(0, len(values) - 2, 3))


def _pillow_header(path: Path, file: BinaryIO) -> Header:
    image = open_with_pillow(path, file)
    kind = image.format or ""
    orientation = 1
    if "exif" in image.info:
        try:
            orientation = int(image.getexif().get(tiff_tags.ORIENTATION, 1))
        except BROKEN_FILE_ERRORS:
            orientation = 1
    # OpenCV is faster than Pillow, but silent about files that are cut short: those that lack their end marker go to
    # Pillow, which raises an error. So do PNGs with a transparent colour, which OpenCV would lose.
    opencv_flags = None
    if "transparency" not in image.info:
        if kind == "JPEG":
            opencv_flags = _jpeg_flags(image.mode, file)
        elif kind == "PNG":
            opencv_flags = _png_flags(image.mode, file)
    # GIF, PNG and WebP count their frames; other formats have no such attribute.
    pages = int(getattr(image, "n_frames", 1))
    return Header(
        kind,
        (image.height, image.width),
        _valid_orientation(orientation),
        image.mode,
        opencv_flags if pages == 1 else None,
        bits=_bits_of(kind, image.mode, file),
        pages=pages,
    )


def _valid_orientation(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else 1


def _jpeg_flags(mode: str, file: BinaryIO) -> int | None:
    is_complete = _read_tail(file).rstrip(b"\0\r\n ").endswith(b"\xff\xd9")
    if not is_complete or mode not in ("RGB", "L"):
        return None
    return _rgb_flags() if mode == "RGB" else int(cv2.IMREAD_UNCHANGED)


def _png_flags(mode: str, file: BinaryIO) -> int | None:
    is_complete = b"IEND" in _read_tail(file)
    has_16_bits = _bit_depth(file) == 16
    if not is_complete or not (has_16_bits or mode in ("RGB", "L", "RGBA")):
        return None
    return _rgb_flags() if mode == "RGB" and not has_16_bits else int(cv2.IMREAD_UNCHANGED)


def _bits_of(kind: str, mode: str, file: BinaryIO) -> int:
    if kind == "PNG" and _bit_depth(file) == 16:
        return 16
    if not mode.startswith(HIGH_BIT_MODES):
        return 8
    return 16 if mode.startswith("I;16") or kind in ("PNG", "PPM") else 32


def _bit_depth(file: BinaryIO) -> int:
    file.seek(24)  # in the chunk IHDR of a PNG
    return ord(file.read(1) or b"\0")


def _rgb_flags() -> int:
    return int(cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def _read_tail(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    return file.read()


def _tiff_page_header(path: Path, file: BinaryIO, page: int) -> Header:
    offsets = page_offsets(path, file)
    if len(offsets) < 2 or page > len(offsets):
        return replace(_tiff_header(path, read_tiff_tags(path, file)), pages=max(1, len(offsets)))
    offset = offsets[max(0, page - 1)]
    header = _tiff_header(path, read_tiff_tags(path, file, offset))
    return replace(header, pages=len(offsets), page_offset=offset)


def _tiff_header(path: Path, tags: TiffTags) -> Header:
    _check_bands(path, tags)
    value = _SAMPLE_FORMAT_LETTERS.get(tags.sample_formats[0], "") + str(tags.bits[0] // 8)
    mode, opencv_flags = _tiff_mode(tags), None
    if _has_plain_pixels(tags):
        if tags.samples > 1 and tags.planar == tiff_tags.SEPARATE_PLANES and value != "u1":
            mode = value  # OpenCV mixes up such planes, and Pillow cannot read them: decoding refuses this mode
        elif value in _OPENCV_TIFF_VALUES:
            opencv_flags = int(cv2.IMREAD_UNCHANGED)
            mode = mode if value == "u1" else value
    bits, black = max(tags.bits), 0
    if bits > 8 and tags.photometric == tiff_tags.WHITE_IS_ZERO:
        black = _black_of(path, tags)
    orientation = _valid_orientation(tags.orientation)
    return Header("TIFF", (tags.height, tags.width), orientation, mode, opencv_flags, bits=bits, black=black)


def _check_bands(path: Path, tags: TiffTags) -> None:
    """Refuse the preview of a camera's raw data, and bands that are neither grey nor colours."""
    if tags.is_camera_raw:
        raise ValueError(f"{path} holds the raw data of a camera: develop it, and save it as TIFF, PNG or JPEG")
    samples = tags.samples
    if samples > 4 or (samples == 2 and not tags.has_extra_samples):
        raise ValueError(f"{path}: the TIFF has {samples} bands: choose one, or three for red, green and blue")


def _black_of(path: Path, tags: TiffTags) -> int:
    """The value of black, which is the largest one of unsigned integers.

    Raises:
        ValueError: the values are others, so that the file does not say which one is black.
    """
    if tags.sample_formats[0] != 1 or tags.bits[0] > 16:
        raise ValueError(
            f"{path}: the TIFF says that 0 is white, but not which of its values is black: save it with black as 0"
        )
    return (1 << tags.bits[0]) - 1


def _tiff_mode(tags: TiffTags) -> str:
    if tags.photometric == tiff_tags.PALETTE:
        return "P"
    return "L" if tags.samples == 1 else "RGB"


def _has_plain_pixels(tags: TiffTags) -> bool:
    """True for grey, RGB and RGBA pixels whose values all have the same number of bits."""
    has_plain_colors = tags.photometric in (tiff_tags.BLACK_IS_ZERO, tiff_tags.RGB)
    return has_plain_colors and len(set(tags.bits)) == 1 and tags.samples in (1, 3, 4)
