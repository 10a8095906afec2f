"""Fields of view: in retinal images, a folder called `mask` often holds the round visible area, and not the masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from ...images.header import read_header
from ...images.reading import read_mask
from ...types import Array
from .name_matching import match_names
from .path_words import folder_meaning

_CHECKED = 4
"""At most so many masks are read."""

_MIN_AREA = 0.3
"""The smallest share of an image that its field of view covers."""

_MIN_ROUNDNESS = 0.9
"""The smallest share of its bounding ellipse that a round region covers, and of itself that lies inside."""


def check_no_field_of_view(images: Path, masks: Path, folders: Mapping[Path, list[Path]], root: Path) -> None:
    """Check that a folder called masks holds no fields of view while another folder could hold the masks.

    Args:
        images: a folder of images.
        masks: the folder of their masks, by its name.
        folders: the images in each folder of the data.
        root: the folder of the data.

    Raises:
        ValueError: each mask is one region, round or the same in every image, and another folder has files of the same
            names; the error names it.
    """
    rivals = [folder for folder in folders if _is_rival(folder, images, masks, folders, root)]
    if not rivals or not _are_fields_of_view(folders[masks]):
        return
    names = " and ".join(str(rival.relative_to(root.absolute())) for rival in rivals)
    raise ValueError(
        f"{masks} holds one large region for each image, as a field of view, and {names} could hold the masks of "
        f"{images} too: state which, as --images {images.name} --masks {rivals[0].name} "
        f"(or {masks.name}), or move the other away"
    )


def _is_rival(folder: Path, images: Path, masks: Path, folders: Mapping[Path, list[Path]], root: Path) -> bool:
    meaning = folder_meaning(folder.relative_to(root.absolute()).parts)
    if folder in (images, masks) or meaning.role == "image":
        return False
    # The masks of another split have images of their own, often with the same names.
    if meaning.split != folder_meaning(masks.relative_to(root.absolute()).parts).split:
        return False
    try:
        matches = match_names(folders[images], folders[folder])
    except ValueError:
        return False
    return 2 * len(matches.pairs) >= len(folders[images])


def _are_fields_of_view(files: Sequence[Path]) -> bool:
    """Tell whether each mask is one large region, and all are round or the same."""
    step = max(1, len(files) // _CHECKED)
    regions = []
    for file in files[::step][:_CHECKED]:
        if read_header(file).kind not in ("PNG", "GIF", "TIFF", "BMP"):
            return False
        region = _one_region(read_mask(file))
        if region is None:
            return False
        regions.append(region)
    same = len(regions) > 1 and all(np.array_equal(region, regions[0]) for region in regions)
    return same or all(_is_round(region) for region in regions)


def _one_region(pixels: Array) -> Array | None:
    """(H, W) uint8: the pixels with the higher of two values, if they are one large region."""
    if pixels.ndim == 3:
        pixels = pixels.max(axis=2)
    values = np.unique(pixels)
    if len(values) != 2:
        return None
    region = (pixels == values[1]).astype(np.uint8)
    if region.mean() < _MIN_AREA or cv2.connectedComponents(region)[0] != 2:
        return None
    return np.asarray(region)


def _is_round(region: Array) -> bool:
    """Tell whether a region fills its bounding ellipse, perhaps cut off at the border of the image."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    diameter = max(height, width)
    y = np.arange(region.shape[0])[:, None] - (rows[0] + rows[-1]) / 2
    x = np.arange(region.shape[1]) - (columns[0] + columns[-1]) / 2
    best = 0.0
    for y_radius, x_radius in ((height / 2, width / 2), (diameter / 2, diameter / 2)):
        ellipse = (y / y_radius) ** 2 + (x / x_radius) ** 2 <= 1
        both = np.logical_and(ellipse, region).sum()
        either = np.logical_or(ellipse, region).sum()
        best = max(best, float(both / either))
    return best >= _MIN_ROUNDNESS
