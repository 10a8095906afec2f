"""Opening image files: their bytes, and with Pillow by the format that the first bytes tell."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from .file_names import file_not_found

# First bytes, name of the format, and the class that decodes it. The classes are called directly: Pillow's registry
# would import all its plugins, and would open formats that nobody has tested here.
_FORMATS: tuple[tuple[bytes, str, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", "JPEG", JpegImagePlugin.JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", "PNG", PngImagePlugin.PngImageFile),
    (b"II*\0", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"II+\0", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"BM", "BMP", BmpImagePlugin.BmpImageFile),
    (b"RIFF", "WebP", WebPImagePlugin.WebPImageFile),
    (b"GIF8", "GIF", GifImagePlugin.GifImageFile),
    (b"P1", "PPM", PpmImagePlugin.PpmImageFile),
    (b"P2", "PPM", PpmImagePlugin.PpmImageFile),
    (b"P3", "PPM", PpmImagePlugin.PpmImageFile),
    (b"P4", "PPM", PpmImagePlugin.PpmImageFile),
    (b"P5", "PPM", PpmImagePlugin.PpmImageFile),
    (b"P6", "PPM", PpmImagePlugin.PpmImageFile),
)

BROKEN_FILE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    struct.error,
    OverflowError,
)
"""Exceptions that decoders raise for files whose contents are damaged."""


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading bytes.

    Raises:
        FileNotFoundError: the file does not exist; the error suggests the most similar name.
        ValueError: the path is a folder.
    """
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise file_not_found(path) from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder: name an image in it") from None


def open_with_pillow(path: Path, file: BinaryIO) -> ImageFile.ImageFile:
    """Open an image without decoding its pixels.

    Args:
        path: the name of the file, for errors.
        file: its bytes; read from the start.

    Raises:
        ValueError: the file is empty, of no supported format, or broken.
    """
    file.seek(0)
    start = file.read(16)
    file.seek(0)
    if not start:
        raise ValueError(f"{path} is empty (0 bytes): copy it again, or remove it")
    for magic, name, plugin in _FORMATS:
        if start.startswith(magic):
            try:
                image = plugin(file)
            except BROKEN_FILE_ERRORS as error:
                raise ValueError(f"{path}: the {name} file is broken ({error}): save it anew, or remove it") from error
            image.format = name
            return image
    return _open_other(path, file, start)


def _open_other(path: Path, file: BinaryIO, start: bytes) -> ImageFile.ImageFile:
    """Open what is in none of the formats that are always there."""
    # Imported here: ordinary images need nothing of it.
    from .modern_formats import modern_format, open_modern

    kind = modern_format(start)
    if not kind:
        raise ValueError(
            f"{path} is no image: it starts {start[:8]!r}; JPEG, PNG, TIFF, BMP, WebP, GIF, PPM, JPEG 2000, AVIF and "
            "HEIC can be read"
        )
    try:
        image = open_modern(path, file, kind)
    except BROKEN_FILE_ERRORS as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path}: the {kind} file is broken ({error}): save it anew, or remove it") from error
    image.format = kind
    return image
