"""The tags of a TIFF file: reading those that describe its pixels, and resetting its orientation.

TIFF 6.0 (Adobe, 1992) defines the tags; BigTIFF has the same ones with offsets of 64 bits.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import TiffImagePlugin

from .image_file import BROKEN_FILE_ERRORS

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first four bytes of TIFF files: byte order (II is little endian), then * for TIFF and + for BigTIFF."""

NEW_SUBFILE_TYPE = 254
SUB_DIRECTORIES = 330
DNG_VERSION = 50706
IMAGE_WIDTH = 256
IMAGE_LENGTH = 257
BITS_PER_SAMPLE = 258
PHOTOMETRIC_INTERPRETATION = 262
ORIENTATION = 274
SAMPLES_PER_PIXEL = 277
PLANAR_CONFIGURATION = 284
EXTRA_SAMPLES = 338
SAMPLE_FORMAT = 339

WHITE_IS_ZERO = 0
BLACK_IS_ZERO = 1
RGB = 2
PALETTE = 3
"""Values of PHOTOMETRIC_INTERPRETATION."""

REDUCED_OR_MASK = 0b101
"""Bits of NEW_SUBFILE_TYPE: the directory holds a reduced copy (an overview) or a transparency mask, not a page."""

SEPARATE_PLANES = 2
"""Value of PLANAR_CONFIGURATION: each band is stored on its own."""


class TiffTags(NamedTuple):
    """The tags that describe the pixels of the first page.

    Attributes:
        width, height: of the stored rows, pixels.
        samples: values per pixel.
        has_extra_samples: whether the file says what its additional bands (transparency) are.
        bits: bits of each value of a pixel.
        sample_formats: of each value: 1 unsigned, 2 signed, 3 floating point.
        photometric: how values become colours.
        planar: 1 where the values of a pixel stand together, 2 for separate planes.
        orientation: EXIF orientation; 1 to 8 in a valid file.
        is_camera_raw: whether it is a small preview of the raw data of a camera (DNG, NEF).
    """

    width: int
    height: int
    samples: int
    has_extra_samples: bool
    bits: tuple[int, ...]
    sample_formats: tuple[int, ...]
    photometric: int
    planar: int
    orientation: int
    is_camera_raw: bool = False


def read_tiff_tags(path: Path, file: BinaryIO, offset: int | None = None) -> TiffTags:
    """Read the tags of a page; missing ones have the values that TIFF 6.0 prescribes.

    Args:
        path: the name of the file, for errors.
        file: the open file.
        offset: where the page's directory begins; the first page when not given.

    Raises:
        ValueError: the file is broken.
    """
    try:
        tags = _directory(file)
        file.seek(tags.next if offset is None else offset)
        tags.load(file)
        return TiffTags(
            width=int(tags[IMAGE_WIDTH]),
            height=int(tags[IMAGE_LENGTH]),
            samples=int(tags.get(SAMPLES_PER_PIXEL, 1)),
            has_extra_samples=EXTRA_SAMPLES in tags,
            bits=tags.get(BITS_PER_SAMPLE, (1,)),
            sample_formats=tags.get(SAMPLE_FORMAT, (1,)),
            photometric=int(tags.get(PHOTOMETRIC_INTERPRETATION, BLACK_IS_ZERO)),
            planar=tags.get(PLANAR_CONFIGURATION, 1),
            orientation=int(tags.get(ORIENTATION, 1)),
            is_camera_raw=_is_camera_raw(tags),
        )
    except BROKEN_FILE_ERRORS as error:
        raise ValueError(f"{path}: the TIFF file is broken ({error}): save it anew, or remove it") from error


def _is_camera_raw(tags: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    is_preview = bool(int(tags.get(NEW_SUBFILE_TYPE, 0)) & REDUCED_OR_MASK)
    return DNG_VERSION in tags or (is_preview and SUB_DIRECTORIES in tags)


def page_offsets(path: Path, file: BinaryIO) -> list[int]:
    """Find where the directory of each page begins; overviews and transparency masks are no pages.

    Raises:
        ValueError: the file is broken.
    """
    offsets: list[int] = []
    seen: set[int] = set()
    try:
        tags = _directory(file)
        # Each directory says where the next one begins, and the last one says 0; a broken file may go in circles.
        while tags.next and tags.next not in seen:
            offset = tags.next
            seen.add(offset)
            file.seek(offset)
            tags.load(file)
            if not int(tags.get(NEW_SUBFILE_TYPE, 0)) & REDUCED_OR_MASK:
                offsets.append(offset)
    except BROKEN_FILE_ERRORS as error:
        raise ValueError(f"{path}: the TIFF file is broken ({error}): save it anew, or remove it") from error
    return offsets


def begin_at_page(data: bytes, offset: int) -> bytes:
    """A copy of a TIFF file whose first page is the one with the directory at `offset`."""
    byte_order = "<" if data[:1] == b"I" else ">"
    changed = bytearray(data)
    if b"+" in data[2:4]:
        struct.pack_into(byte_order + "Q", changed, 8, offset)
    else:
        struct.pack_into(byte_order + "I", changed, 4, offset)
    return bytes(changed)


def _directory(file: BinaryIO) -> TiffImagePlugin.ImageFileDirectory_v2:
    """A directory that knows where the first one of the file begins (`next`), and has not read it."""
    file.seek(0)
    start = file.read(16)
    # BigTIFF: the plus follows two bytes of byte order; its header is 16 bytes long instead of 8.
    return TiffImagePlugin.ImageFileDirectory_v2(start if b"+" in start[2:4] else start[:8])


def reset_orientation(data: bytes) -> bytes:
    """A copy of a TIFF file whose orientation is 1 (upright).

    Decoders turn some kinds of TIFF by themselves, wrongly or not at all; with this they turn none.
    """
    byte_order = "<" if data[:1] == b"I" else ">"
    if b"+" in data[2:4]:
        # BigTIFF: the number of entries takes 8 bytes, an entry 20, of which the value starts at byte 12.
        entries_start, entry_size, value_offset = 8, 20, 12
        (directory,) = struct.unpack_from(byte_order + "Q", data, 8)
        (entries,) = struct.unpack_from(byte_order + "Q", data, directory)
    else:
        entries_start, entry_size, value_offset = 2, 12, 8
        (directory,) = struct.unpack_from(byte_order + "I", data, 4)
        (entries,) = struct.unpack_from(byte_order + "H", data, directory)
    changed = bytearray(data)
    for k in range(entries):
        entry = directory + entries_start + k * entry_size
        (tag,) = struct.unpack_from(byte_order + "H", data, entry)
        if tag == ORIENTATION:
            struct.pack_into(byte_order + "H", changed, entry + value_offset, 1)
    return bytes(changed)
