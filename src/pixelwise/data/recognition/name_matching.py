"""Matching of the images of one folder with the masks of another, by their names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .path_words import plain_image_name, plain_mask_name
from .varying_names import match_varying


class Matches(NamedTuple):
    """Images with their masks, images without a mask, and masks without an image.

    `note` tells how names were matched that differ by more than usual words such as `_mask`.
    """

    pairs: list[tuple[Path, Path]]
    unpaired: list[Path]
    orphans: list[Path]
    note: str = ""


def match_names(images: list[Path], masks: list[Path]) -> Matches:
    """Match the images of one folder with the masks of another by their names."""
    exact, loose = _by_names(masks)
    pairs: list[tuple[Path, Path]] = []
    unpaired: list[Path] = []
    seen = set()
    for image in images:
        if image.stem in seen:
            raise ValueError(f"two images are called {image.stem} in {image.parent}: rename one of them")
        seen.add(image.stem)
        mask = exact.get(image.stem) or loose.get(image.stem) or loose.get(plain_image_name(image.stem))
        if mask:
            pairs.append((image, mask))
        else:
            unpaired.append(image)
    note = ""
    if not pairs:
        pairs = match_varying(images, masks)
        paired = {image for image, _ in pairs}
        unpaired = [image for image in images if image not in paired]
        if pairs:
            note = f"names are matched by the part that varies, as {pairs[0][0].name} with {pairs[0][1].name}"
    matched = {mask for _, mask in pairs}
    return Matches(pairs, unpaired, [mask for mask in masks if mask not in matched], note)


def _by_names(masks: list[Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Masks by their names, and by their names without words such as `_mask`."""
    exact: dict[str, Path] = {}
    loose: dict[str, Path] = {}
    for mask in masks:
        if mask.stem in exact:
            raise ValueError(f"two masks claim the same image: {exact[mask.stem]} and {mask}; move one of them away")
        exact[mask.stem] = mask
        loose.setdefault(plain_mask_name(mask.stem), mask)
    return exact, loose
