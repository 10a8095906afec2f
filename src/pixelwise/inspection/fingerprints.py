"""Fingerprints of images: a digest that equal images share, and a thumbnail that similar images correlate in."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from torch import Tensor

from ..types import Array

THUMBNAIL_SIDE = 24
"""Width and height of thumbnails, pixels."""

MIN_DEVIATION = 2.0
"""Thumbnails whose grey levels have a smaller standard deviation all look alike: they are not compared."""


def pixel_digest(image: Tensor) -> bytes:
    """A digest of size and pixels, equal for equal images, whatever their file formats.

    Args:
        image: (3, H, W) uint8.

    Returns:
        16 bytes.
    """
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    # The size is part of the hash: images of 2×3 and 3×2 equal pixels differ.
    return hashlib.blake2b(pixels.tobytes(), digest_size=16, person=b"%dx%d" % pixels.shape[:2]).digest()


def thumbnail(image: Tensor) -> Array:
    """A small grey version of an image as a vector; the dot product of two is their correlation.

    Args:
        image: (3, H, W) uint8 RGB.

    Returns:
        (THUMBNAIL_SIDE²,) float32 of mean 0 and length 1, or zeros for an image without structure.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(image.permute(1, 2, 0).numpy()), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    vector = small.astype(np.float32).ravel()
    vector -= vector.mean()
    scale = 0 if vector.std() < MIN_DEVIATION else 1 / np.linalg.norm(vector)
    return np.asarray(vector * np.float32(scale))
