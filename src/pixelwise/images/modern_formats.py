"""Image formats that need a decoder which may be missing: HEIC, AVIF and JPEG 2000."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from PIL import ImageFile, features

HEIC_REMEDY = "pip install 'pixelwise[heic]'"

_JPEG_2000_STARTS = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
"""A JP2 file, and a bare codestream."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


def modern_format(start: bytes) -> str:
    """Tell "HEIC", "AVIF" or "JPEG 2000" by the first 16 bytes of a file; "" for all else."""
    if start.startswith(_JPEG_2000_STARTS):
        return "JPEG 2000"
    if start[4:8] != b"ftyp":
        return ""
    brand = start[8:12]
    if brand in _AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brand in _HEIC_BRANDS else ""


@cache
def can_read_heic() -> bool:
    """True where the package that decodes HEIC is installed."""
    return find_spec("pillow_heif") is not None


def open_modern(path: Path, file: BinaryIO, kind: str) -> ImageFile.ImageFile:
    """Open an image without decoding its pixels.

    Args:
        path: the name of the file, for errors.
        file: its bytes; read from the start.
        kind: what `modern_format` says.

    Raises:
        ValueError: the decoder is missing.
    """
    if kind == "JPEG 2000":
        if not features.check("jpg_2000"):
            raise ValueError(f"{path} is JPEG 2000, which this Pillow cannot read: save it as PNG or TIFF")
        from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

        return Jpeg2KImageFile(file)
    if kind == "AVIF":
        # Pillow reads AVIF from version 11.3 on, where it was built with libavif.
        if "avif" not in features.modules or not features.check("avif"):
            raise ValueError(f"{path} is AVIF, which this Pillow cannot read: pip install -U pillow, or save it as PNG")
        from PIL.AvifImagePlugin import AvifImageFile

        return AvifImageFile(file)
    if not can_read_heic():
        raise ValueError(f"{path} is HEIC: {HEIC_REMEDY}, or save it as JPEG or PNG")
    from pillow_heif import HeifImageFile

    image: ImageFile.ImageFile = HeifImageFile(file)
    return image
