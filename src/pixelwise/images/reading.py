"""Reading images and masks: from files, upright and complete, or from memory; or an error that says what to do."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..types import Array
from .conversion import as_rgb, check_finite, guessed_range, max_value, on_white
from .header import HIGH_BIT_MODES, MAX_PIXELS, Header, parse_header
from .image_file import BROKEN_FILE_ERRORS, open_file, open_with_pillow
from .intensity import IntensityRange
from .tiff_tags import begin_at_page, reset_orientation

ImageSource: TypeAlias = "str | os.PathLike[str] | Image.Image | np.ndarray[Any, Any] | Tensor"


EIGHT_BITS = IntensityRange(((0.0, 255.0),))
"""The range of pixels of 8 bits, which stay as they are."""


def load_image(source: ImageSource, intensity: IntensityRange | None = None) -> Tensor:
    """Load an image from a file or from memory; transparent pixels are blended with white, as in `read_image`.

    Args:
        source: a path, a PIL image of 8 bits per colour, an (H, W) or (H, W, 1 | 3 | 4) uint8 array (grey, RGB, RGBA),
            or a (3, H, W) uint8 tensor (RGB).
        intensity: for files, as in `read_image`.

    Returns:
        (3, H, W) uint8 RGB.

    Raises:
        TypeError: for anything else, and for values that are not uint8.
        ValueError: for another shape, and for PIL images of more than 8 bits.
        FileNotFoundError, OSError: for a file that cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return read_image(source, intensity=intensity)
    if isinstance(source, Image.Image):
        return _from_array(_pixels_of(source))
    if not isinstance(source, np.ndarray | Tensor):
        raise TypeError(f"an image is a path, a PIL image, an array or a tensor, not {type(source).__name__}")
    if source.dtype != (torch.uint8 if isinstance(source, Tensor) else np.uint8):
        raise TypeError(
            f"an image holds uint8 from 0 to 255, not {source.dtype}: multiply [0, 1] by 255 and round first"
        )
    if isinstance(source, Tensor):
        if source.ndim != 3 or len(source) != 3 or not source.numel():
            raise ValueError(f"a tensor must be (3, H, W), RGB, not {tuple(source.shape)}")
        return source
    return _from_array(source)


def read_image(
    path: str | os.PathLike[str],
    *,
    max_pixels: int = MAX_PIXELS,
    intensity: IntensityRange | None = None,
    page: int | None = None,
) -> Tensor:
    """Read an image file as upright 8-bit RGB.

    JPEG, PNG, TIFF, BMP, WebP, GIF, PPM, JPEG 2000, AVIF and (with the extra `heic`) HEIC can be read. EXIF's rotation
    is applied. Grey, 1-bit, palette and CMYK pixels become RGB; transparent pixels are blended with white.

    Values of more than 8 bits (and floats) are stretched so that the low value of `intensity` becomes 0 and the high
    one 255. Without a range, the smallest of 1023, 4095, 16383 and 65535 that the image's largest value does not exceed
    becomes 255 (for floats, the smallest of 1, 255 and those), and a warning says so once: images that differ in
    exposure are then scaled differently.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this, before decoding it.
        intensity: the values that become 0 and 255, for images of more than 8 bits; values beyond are clipped.
        page: number of the page of a TIFF, or of the frame of an animated image, from 1. A file with several is refused
            when it is not given.

    Returns:
        (3, H, W) uint8, a view of rows of RGB pixels.

    Raises:
        FileNotFoundError: the file does not exist; the error suggests the most similar name.
        ValueError: the file is empty, not an image, cut short, too large, has several pages, or holds NaN, infinite or
            (without a range) negative values.
    """
    path = Path(path)
    header, pixels = _read_stored_pixels(path, max_pixels, page, keep_indices=False)
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3:
        return _as_tensor(pixels, header.orientation)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype == np.uint8:
        intensity = EIGHT_BITS
    elif intensity is None:
        intensity = guessed_range(path, pixels.dtype, max_value(path, pixels))
    elif pixels.dtype.kind == "f":
        check_finite(path, pixels)
    try:
        rgb = as_rgb(pixels, intensity)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return _as_tensor(rgb, header.orientation)


def read_deep_pixels(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Array:
    """Read the stored values of an image of more than 8 bits, without its transparency.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this, before decoding it.

    Returns:
        (H, W, 1 | 3) integers or floats, not turned.

    Raises:
        FileNotFoundError, ValueError: as `read_image`.
    """
    path = Path(path)
    _, pixels = _read_stored_pixels(path, max_pixels, None, keep_indices=False)
    if pixels.dtype.kind == "f":
        check_finite(path, pixels)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return pixels[..., :3]


def read_mask(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Array:
    """Read the numbers of a mask file as they are stored, upright: never rescaled, and indices for a palette image.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this, before decoding it.

    Returns:
        (H, W) integers (0 and 1 for 1-bit images), or (H, W, 3) uint8 RGB if the three channels differ.

    Raises:
        FileNotFoundError, ValueError: as `read_image`; ValueError also for fractions, and for colours of 16 bits.
    """
    path = Path(path)
    header, values = _read_stored_pixels(path, max_pixels, None, keep_indices=True)
    if values.dtype.kind == "f":
        values = _whole_numbers(path, values)
    if values.ndim == 3:
        values = _without_equal_channels(path, values[..., :3])
    return _upright(np.ascontiguousarray(values), header.orientation)


def _whole_numbers(path: Path, values: Array) -> Array:
    check_finite(path, values)
    whole = values.astype(np.int64)
    if not np.array_equal(whole, values):
        raise ValueError(f"{path}: a mask holds whole numbers, but this file holds {values[whole != values][0]}")
    return whole


def _without_equal_channels(path: Path, values: Array) -> Array:
    """(H, W, 1 to 3) → (H, W) where all channels are equal, else the colours."""
    first = values[..., 0]
    if all(np.array_equal(first, values[..., k]) for k in range(1, values.shape[2])):
        return first
    if values.dtype != np.uint8:
        raise ValueError(f"{path}: a mask in colours must have 8 bits a colour, not {values.dtype}")
    return values


def _as_tensor(pixels: Array, orientation: int) -> Tensor:
    """(H, W, 3) stored pixels → (3, H, W), upright."""
    return torch.from_numpy(_upright(pixels, orientation)).permute(2, 0, 1)


def _upright(pixels: Array, orientation: int) -> Array:
    """Undo EXIF orientations 2 to 8: mirrored, turned, or both (Exif 2.3, table 6)."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    flipped_axes = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return np.ascontiguousarray(np.flip(pixels, flipped_axes))


def _pixels_of(image: Image.Image) -> Array:
    """(H, W, 3 | 4) uint8: the upright RGB or RGBA pixels of a PIL image."""
    if image.mode[0] in "IF":
        raise ValueError(f"a PIL image of mode {image.mode!r} has no full scale: give its path, or 8 bits a colour")
    upright = ImageOps.exif_transpose(image)
    return np.array(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))


def _from_array(pixels: Array) -> Tensor:
    """(H, W) or (H, W, 1 | 3 | 4) uint8 → (3, H, W), of memory that may be written."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise ValueError(f"an array must be (H, W), or (H, W, 3) RGB, not {pixels.shape}")
    channels = pixels.shape[2]
    if channels == 4:
        pixels = on_white(pixels)
    elif channels == 1:
        pixels = pixels.repeat(3, axis=2)
    pixels = np.ascontiguousarray(pixels)
    if not pixels.flags.writeable:
        pixels = pixels.copy()  # PyTorch warns of tensors over memory that is read-only
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _read_stored_pixels(path: Path, max_pixels: int, page: int | None, *, keep_indices: bool) -> tuple[Header, Array]:
    """Read the header and the pixels of an image file.

    Args:
        path: the file.
        max_pixels: refuse an image of more pixels than this.
        page: number of the page, from 1; None for the only one.
        keep_indices: keep the indices of palette images and 0 and 1 of 1-bit images, as masks need them; otherwise
            palettes become colours and 1-bit images are bool. CMYK becomes RGB either way.

    Returns:
        The header, and (H, W), (H, W, 3) RGB or (H, W, 4) RGBA of any numeric type.

    Raises:
        FileNotFoundError, ValueError: as `read_header`; ValueError also for pixels that cannot be decoded,
            and for several pages where none is chosen.
    """
    with open_file(path) as file:
        header = parse_header(path, file, max_pixels, page or 1)
        if header.pages > 1 and page is None:
            raise ValueError(_too_many_pages(path, header))
        try:
            file.seek(0)
            pixels = _decode(path, file.read(), header, page or 1, keep_indices)
        except (*BROKEN_FILE_ERRORS, Image.DecompressionBombError, cv2.error) as error:
            size = f"{header.stored[1]}x{header.stored[0]}"
            what = f"{path}: the pixels of this {header.kind} of {size} cannot be read"
            raise ValueError(f"{what} ({error}): the file is cut short or broken; copy or save it anew") from error
    # Pillow inverts such pixels of 8 bits, and leaves those of more bits alone.
    if header.black and not keep_indices:
        pixels = header.black - pixels
    return header, pixels


def _too_many_pages(path: Path, header: Header) -> str:
    kind = "pages" if header.kind == "TIFF" else "frames"
    return (
        f"{path} has {header.pages} {kind}, and one image is wanted: save each as a file of its own, or choose one in "
        f"Python, pixelwise.read_image(path, page=1)"
    )


def _decode(path: Path, data: bytes, header: Header, page: int, keep_indices: bool) -> Array:
    if header.page_offset is not None:
        data = begin_at_page(data, header.page_offset)
    if header.kind == "TIFF" and header.orientation != 1:
        data = reset_orientation(data)
    if header.opencv_flags is not None:
        return _decode_with_opencv(data, header.opencv_flags, header.stored)
    if header.kind == "TIFF" and header.mode.startswith(HIGH_BIT_MODES):
        raise ValueError(f"bands of {header.mode} lie in planes of their own: save it with its pixels interleaved")
    frame = 0 if header.kind == "TIFF" else page - 1
    return _decode_with_pillow(path, data, frame, keep_indices)


def _decode_with_opencv(data: bytes, flags: int, size: tuple[int, int]) -> Array:
    # Unknown TIFF tags would print warnings; what matters is raised below.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        pixels: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if pixels is None or pixels.shape[:2] != size:
        raise ValueError("OpenCV found no whole image")
    if flags == cv2.IMREAD_UNCHANGED and pixels.ndim == 3:
        bgr_to_rgb = [2, 1, 0, 3]
        pixels = pixels[..., bgr_to_rgb[: pixels.shape[2]]]
    return pixels


def _decode_with_pillow(path: Path, data: bytes, frame: int, keep_indices: bool) -> Array:
    with open_with_pillow(path, BytesIO(data)) as image:
        if frame:
            image.seek(frame)
        if keep_indices and image.mode == "P":
            return np.array(image)
        pixels = np.array(_without_palette(image))
    if keep_indices and pixels.dtype == np.bool_:
        return pixels.astype(np.uint8)
    return pixels


def _without_palette(image: Image.Image) -> Image.Image:
    """The image in a mode of numbers that stand for themselves: RGBA, RGB, grey, 1 bit, integers or floats."""
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("1", "L", "RGB", "F") or image.mode.startswith("I"):
        return image
    return image.convert("RGB")
