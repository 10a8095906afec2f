"""Image files: what their headers say, and their pixels as they are stored."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from ..ops.atomic_files import write_bytes
from ..ops.names import suggest

Array = NDArray[Any]

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".ppm", ".pgm")
"""What the name of an image ends in, lower case; what a file really is, its first bytes say."""

LISTED = 8
"""So many names of files are listed where none is like the one that is missing."""

MAX_PIXELS = 500_000_000
"""Images that claim more pixels than this are refused before they are decoded whole; `rows.OnDisk` has limits of its
own."""

DEEP = ("I", "F", "u2", "u4", "i2", "i4", "f4", "f8")
"""What `Header.mode` starts with where a number has more than 8 bits."""

_KINDS: tuple[tuple[bytes, str, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", "JPEG", JpegImagePlugin.JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", "PNG", PngImagePlugin.PngImageFile),
    (b"II*\0", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"II+\0", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"BM", "BMP", BmpImagePlugin.BmpImageFile),
    (b"RIFF", "WebP", WebPImagePlugin.WebPImageFile),
    (b"GIF8", "GIF", GifImagePlugin.GifImageFile),
    *((b"P" + digit, "PPM", PpmImagePlugin.PpmImageFile) for digit in (b"1", b"2", b"3", b"4", b"5", b"6")),
)
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, OverflowError)


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before its pixels.

    Attributes:
        kind: "JPEG", "PNG", "TIFF", "BMP", "WebP", "GIF" or "PPM".
        stored: height and width of the rows in the file, pixels.
        orientation: EXIF's number, 1 to 8: how the rows must be turned to be seen upright.
        mode: Pillow's word for the kind of pixel ("RGB", "L", "P", "I;16", …); for TIFF the same as far as it matters.
        flags: how OpenCV must be asked to decode it, or None where Pillow has to.
    """

    kind: str
    stored: tuple[int, int]
    orientation: int
    mode: str
    flags: int | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright image, pixels."""
        height, width = self.stored
        return (width, height) if self.orientation >= 5 else (height, width)


def read_palette(path: str | os.PathLike[str]) -> tuple[tuple[int, int, int], ...]:
    """The colours (RGB) that a palette image gives to its indices; empty for other images."""
    with open_file(Path(path)) as file:
        if read_header(path).mode != "P":
            return ()
        with _image(Path(path), file) as image:
            flat = image.getpalette("RGB") or []
    return tuple((flat[k], flat[k + 1], flat[k + 2]) for k in range(0, len(flat) - 2, 3))


def read_header(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Header:
    """What the file says of itself, in some 50 µs, without decoding its pixels.

    Raises:
        FileNotFoundError, ValueError: as `read_image`, as far as the header tells.
    """
    path = Path(path)
    with open_file(path) as file:
        return _header(path, file, max_pixels)


def write_png(path: Path, pixels: Array) -> None:
    """(H, W) of uint8 or uint16 as a grey PNG, (H, W, 3) uint8 RGB as one in colours, exactly."""
    whole, data = cv2.imencode(".png", np.ascontiguousarray(pixels if pixels.ndim == 2 else pixels[..., ::-1]))
    if not whole:
        raise ValueError(f"cannot make a PNG of {pixels.shape} {pixels.dtype} for {path}")
    write_bytes(path, data.tobytes())


def list_images(files: Iterable[Path]) -> list[Path]:
    """Those of the files that are called as images are and not hidden, in the order of their paths."""
    return sorted(file for file in files if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))


def missing(path: Path) -> FileNotFoundError:
    """The error for a path that is not there, with the most similar name that is."""
    if not path.parent.is_dir():
        return FileNotFoundError(f"there is no {path}: there is no folder {path.parent} either")
    there = sorted(entry.name for entry in path.parent.iterdir())
    near = suggest(path.name, there)
    if len(there) > LISTED and near.startswith("there are"):
        near = f"{suggest(path.name, there[:LISTED])}, … ({len(there)} in all)"
    return FileNotFoundError(f"there is no {path}; {near}")


def open_file(path: Path) -> BinaryIO:
    """The file, to be read; a FileNotFoundError names the most similar name."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise missing(path) from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder: name an image in it") from None


def _image(path: Path, file: BinaryIO) -> ImageFile.ImageFile:
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    if not start:
        raise ValueError(f"{path} is empty (0 bytes): copy it again, or remove it")
    for magic, kind, opener in _KINDS:
        if start.startswith(magic):
            try:
                image = opener(file)
            except _BROKEN as error:
                raise ValueError(f"{path}: the {kind} file is broken ({error}): save it anew, or remove it") from error
            image.format = kind
            return image
    raise ValueError(
        f"{path} is no image: it starts {start[:8]!r}; JPEG, PNG, TIFF, BMP, WebP, GIF and PPM can be read"
    )


def _header(path: Path, file: BinaryIO, max_pixels: int) -> Header:
    start = file.read(4)
    if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        header = _tiff_header(path, file)
    else:
        image = _image(path, file)
        flags, orientation = None, 1
        if "exif" in image.info:
            try:
                orientation = int(image.getexif().get(274, 1))
            except _BROKEN:
                orientation = 1
        if image.format in ("JPEG", "PNG") and "transparency" not in image.info:
            flags = _opencv_flags(image.format, image.mode, file)
        size = image.height, image.width
        header = Header(image.format or "", size, orientation if 1 <= orientation <= 8 else 1, image.mode, flags)
    height, width = header.stored
    if height < 1 or width < 1:
        raise ValueError(f"{path}: the image is {width}x{height}, it has no pixels")
    if height * width > max_pixels:
        raise ValueError(
            f"{path}: the image is {width}x{height}, {height * width:,} pixels; {max_pixels:,} are allowed: "
            "cut it into tiles or make it smaller, or raise max_pixels when you trust the file"
        )
    return header


def _opencv_flags(kind: str, mode: str, file: BinaryIO) -> int | None:
    """OpenCV is faster, but says nothing of files that are cut short: those are Pillow's."""
    file.seek(-64 if file.seek(0, os.SEEK_END) > 64 else 0, os.SEEK_END if file.tell() > 64 else os.SEEK_SET)
    end = file.read()
    if kind == "JPEG":
        whole, plain, deep = end.rstrip(b"\0\r\n ").endswith(b"\xff\xd9"), mode in ("RGB", "L"), False
    else:
        file.seek(24)
        deep = file.read(1) == b"\x10"
        whole, plain = b"IEND" in end, deep or mode in ("RGB", "L", "RGBA")
    if not whole or not plain:
        return None
    color: bool = mode == "RGB" and not deep
    return int(cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION if color else cv2.IMREAD_UNCHANGED)


def _tiff_header(path: Path, file: BinaryIO) -> Header:
    file.seek(0)
    start = file.read(16)
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(start if start[2:3] == b"+" or start[3:4] == b"+" else start[:8])
        file.seek(tags.next)
        tags.load(file)
        width, height, samples = int(tags[256]), int(tags[257]), int(tags.get(277, 1))
        bits, kinds = tags.get(258, (1,)), tags.get(339, (1,))
        photometric, orientation = int(tags.get(262, 1)), int(tags.get(274, 1))
    except _BROKEN as error:
        raise ValueError(f"{path}: the TIFF file is broken ({error}): save it anew, or remove it") from error
    if samples > 4 or (samples == 2 and 338 not in tags):
        raise ValueError(f"{path}: the TIFF has {samples} bands: choose one, or three for red, green and blue")
    plain = photometric in (1, 2) and len(set(bits)) == 1 and samples in (1, 3, 4)
    number = {1: "u", 2: "i", 3: "f"}.get(kinds[0], "") + str(bits[0] // 8)
    mode = "P" if photometric == 3 else "L" if samples == 1 else "RGB"
    orientation = orientation if 1 <= orientation <= 8 else 1
    if plain and samples > 1 and tags.get(284, 1) == 2 and number != "u1":  # OpenCV mixes the planes up
        return Header("TIFF", (height, width), orientation, number, None)
    if plain and number in ("u1", "u2", "u4", "i2", "i4", "f4", "f8"):
        return Header("TIFF", (height, width), orientation, number if number != "u1" else mode, cv2.IMREAD_UNCHANGED)
    return Header("TIFF", (height, width), orientation, mode, None)


def _unturned(data: bytes) -> bytes:
    """The TIFF with 1 for its orientation: decoders turn some kinds by themselves, wrongly or not at all."""
    order, big = "<" if data[:1] == b"I" else ">", b"+" in data[2:4]
    start, entry, value = (8, 20, 12) if big else (2, 12, 8)
    offset = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    changed = bytearray(data)
    for k in range(struct.unpack_from(order + ("Q" if big else "H"), data, offset)[0]):
        at = offset + start + k * entry
        if struct.unpack_from(order + "H", data, at)[0] == 274:
            struct.pack_into(order + "H", changed, at + value, 1)
    return bytes(changed)


def load(path: Path, max_pixels: int, indices: bool) -> tuple[Header, Array]:
    """The header, and the pixels as stored: (H, W), or (H, W, 3 or 4) in the order RGB(A), of any type of number.

    Palettes become colours unless `indices` are wanted; CMYK becomes RGB.
    """
    with open_file(path) as file:
        header = _header(path, file, max_pixels)
        try:
            return header, _decode(path, file, header, indices)
        except (*_BROKEN, Image.DecompressionBombError, cv2.error) as error:
            size = f"{header.stored[1]}x{header.stored[0]}"
            what = f"{path}: the pixels of this {header.kind} of {size} cannot be read"
            raise ValueError(f"{what} ({error}): the file is cut short or broken; copy or save it anew") from error


def _decode(path: Path, file: BinaryIO, header: Header, indices: bool) -> Array:
    file.seek(0)
    data = file.read()
    if header.kind == "TIFF" and header.orientation != 1:
        data = _unturned(data)
    if header.flags is not None:
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # unknown tags; and we raise errors
        try:
            pixels: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), header.flags)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if pixels is None or pixels.shape[:2] != header.stored:
            raise ValueError("OpenCV found no whole image")
        if header.flags == cv2.IMREAD_UNCHANGED and pixels.ndim == 3:
            pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
        return pixels
    if header.kind == "TIFF" and header.mode.startswith(DEEP):
        raise ValueError(f"bands of {header.mode} lie in planes of their own: save it with its pixels interleaved")
    with _image(path, BytesIO(data)) as image:
        pixels = np.array(image if indices and image.mode == "P" else _plain(image))
    return pixels.astype(np.uint8) if pixels.dtype == np.bool_ and indices else pixels


def _plain(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("1", "L", "RGB", "F") or image.mode.startswith("I") else image.convert("RGB")
