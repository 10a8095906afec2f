"""Images and masks in two folders that are stated by name, read as class masks or as label maps."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .dataset import Dataset
from .formats import label_map, mask_folder
from .recognition.class_names import GivenClasses, GivenColors, GivenVoid
from .recognition.splits import splits_of_pairs
from .recognition.stated_folders import pairs_in_stated_folders


@dataclass(frozen=True)
class StatedFolders:
    """Reads images and masks in two folders.

    Attributes:
        images: the folder of the images; the last parts of its path.
        masks: the folder of the masks.
        format: "mask-folder" or "label-map"; None to decide by the bits of the masks and the number of classes.
    """

    images: str | os.PathLike[str]
    masks: str | os.PathLike[str]
    format: str | None = None

    def detect(self, path: Path) -> str:
        """Repeat what was stated."""
        return f"--images {self.images} --masks {self.masks}"

    def available(self, path: Path) -> tuple[str, ...]:
        """List the splits that `read` accepts."""
        return splits_of_pairs(pairs_in_stated_folders(path, self.images, self.masks))

    def read(
        self,
        path: Path,
        split: str | None,
        *,
        classes: GivenClasses = None,
        void: GivenVoid = None,
        colors: GivenColors = None,
    ) -> Dataset:
        """Read a split as class masks or as label maps.

        Raises:
            FileNotFoundError, ValueError: a folder is not there, names of files do not match, or as
                `mask_folder.read` and `label_map.read`.
        """
        pairs = pairs_in_stated_folders(path, self.images, self.masks)
        objects = self.format == "label-map"
        if self.format is None:
            objects = label_map.has_high_bits(pairs) and not label_map.are_class_numbers(pairs, classes)
        read_pairs = label_map.read_pairs if objects else mask_folder.read_pairs
        return read_pairs(pairs, split, classes=classes, void=void, colors=colors)
