"""PASCAL VOC: `JPEGImages`, `SegmentationClass`, `SegmentationObject` (palette PNGs) and `ImageSets/Segmentation`.

CVAT's "Segmentation mask 1.1" has the same folders, with colours of its own that `labelmap.txt` names.

Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010, and its development kit of 2012.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ...classes import VOID, Classes, Color
from ...images.file_names import list_images
from ...images.reading import read_mask
from ...ops.atomic_files import write_aside, write_text
from ...ops.phrases import counted, few
from ...segmentation import Segmentation
from ...types import Array
from ..dataset import Dataset, Record, short_names
from ..image_copy import copy_image
from ..recognition.class_names import GivenClasses, GivenColors, GivenVoid
from ..recognition.class_spec import read_class_spec, write_classes
from ..recognition.known_classes import known_classes
from ..recognition.masks.mask_scan import scan, spread
from ..recognition.masks.mask_values import MaskValues
from ..recognition.masks.value_recognition import recognise
from ..recognition.splits import canonical_split, check_split, draw_names, order_splits
from ..recognition.text_lists import read_lines
from .label_map import rank_numbers, without_overlap

NAMES = known_classes("voc").names
"""The classes of the challenge, used where nothing beside the data names others."""

_VOID_COLOR = 224 << 16 | 224 << 8 | 192
"""Red, green and blue of index 255 of VOC's palette."""

_IMAGES, _CLASSES, _OBJECTS, _SETS = "JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"


@dataclass(frozen=True)
class ClassAndObjectReader:
    """Reads the ground truth of a record from its class mask, and from its object mask if the data have these.

    Each pair of object and class that occurs is a segment; object 0 is everything without a number, a crowd if its
    class is a thing.
    """

    values: MaskValues
    objects: bool

    def __call__(self, record: Record) -> Segmentation:
        assert record.mask is not None
        class_map = self.values.class_map(record.mask)
        if not self.objects:
            return Segmentation.from_class_map(class_map, self.values.classes)
        beside = _object_mask_of(record.mask)
        objects = _object_numbers(read_mask(beside))
        if objects.shape != class_map.shape:
            raise ValueError(f"{beside} and {record.mask} must have the same size")
        numbers = objects * 256 + class_map.numpy()
        numbers[(objects == VOID) | (class_map.numpy() == VOID)] = -1
        present = np.unique(numbers[numbers >= 0])
        ids = rank_numbers(np.where(numbers < 0, present.max(initial=0) + 1, numbers), present)
        labels = torch.from_numpy(present % 256).long()
        crowd = torch.from_numpy(present < 256) & torch.tensor(self.values.classes.things)[labels]
        return Segmentation(self.values.classes, labels, ids=torch.from_numpy(ids), crowd=crowd)


def detect(path: Path) -> str | None:
    """Name VOC's folders of images and class masks, if they are there."""
    root = _root(path)
    return f"{_IMAGES} and {_CLASSES}" if root else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return order_splits(_sets(_need_root(path))) or ("train", "val")


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split, with a segment for each object if there are object masks, and for each class if there are none.

    Classes are those stated or in a file beside the data, else the 21 of the challenge if the masks fit them.
    """
    root = _need_root(path)
    images = _by_name(root / _IMAGES)
    masks = _by_name(root / _CLASSES)
    names, note = _names(root, split, masks)
    lost = [name for name in names if name not in images or name not in masks]
    if lost:
        raise ValueError(f"{root}: these have no image in {_IMAGES} or no mask in {_CLASSES}: {few(lost)}")
    spec = read_class_spec(root, classes, void, colors)
    if spec.classes is None and not spec.colors and _fits_the_challenge(list(masks.values())):
        source = "those of the challenge, because no file names others"
        spec = replace(spec, classes=known_classes("voc"), source=source)
    values, notes = recognise(list(masks.values()), spec)
    has_objects = (root / _OBJECTS).is_dir()
    if has_objects:
        values = replace(values, classes=_with_things(values.classes))
    return Dataset(
        values.classes,
        tuple(Record(f"{_IMAGES}/{name}", images[name], masks[name]) for name in names),
        canonical_split(split),
        "voc",
        (detect(path) or "", *notes, *note),
        ClassAndObjectReader(values, has_objects),
        has_instances=has_objects,
    )


def write(dataset: Dataset, path: Path) -> None:
    """Write VOC's folders and `classes.json`, with object masks if a class is a thing; images are copied.

    Where masks overlap, the higher score lies on top; crowds become void.

    Raises:
        ValueError: an image has more than 254 objects, the most that a palette PNG holds.
    """
    names = short_names(dataset.records)
    for i, name in enumerate(names):
        truth = without_overlap(dataset.truth(i))
        copy_image(dataset, i, path / _IMAGES / name)
        _write_palette(path / _CLASSES / f"{name}.png", truth.class_map().numpy())
        if any(truth.classes.things):
            _write_palette(path / _OBJECTS / f"{name}.png", _objects(name, truth))
    if dataset.split:
        write_text(path / _SETS / f"{dataset.split}.txt", "".join(f"{name}\n" for name in names))
    write_classes(dataset.classes, (VOID,), path / "classes.json")


def voc_palette() -> list[Color]:
    """The 256 colours of the development kit: the bits of an index go to red, green and blue in turn, lowest first."""
    colors = []
    for number in range(256):
        rgb = [0, 0, 0]
        for bit in range(8):
            rgb[bit % 3] |= (number >> bit & 1) << (7 - bit // 3)
        colors.append((rgb[0], rgb[1], rgb[2]))
    return colors


def _root(path: Path) -> Path | None:
    """The folder that holds VOC's folders: the path itself, or a year's folder in it."""
    if not path.is_dir():
        return None
    for root in (path, *sorted(path.glob("VOC20*")), *sorted(path.glob("VOCdevkit/VOC20*"))):
        if _is_root(root):
            return root
    # An export that was unpacked into a folder of its own.
    below = [root for root in path.iterdir() if root.is_dir() and _is_root(root)]
    return below[0] if len(below) == 1 else None


def _is_root(folder: Path) -> bool:
    return (folder / _IMAGES).is_dir() and (folder / _CLASSES).is_dir()


def _need_root(path: Path) -> Path:
    root = _root(path)
    if root is None:
        raise ValueError(f"{path} is not laid out like VOC: wanted the folders {_IMAGES} and {_CLASSES} in it")
    return root


def _by_name(folder: Path) -> dict[str, Path]:
    """The images of a folder and those below it, by their paths in it without suffix."""
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in list_images(folder.rglob("*"))}


def _object_mask_of(mask: Path) -> Path:
    """The object mask of a class mask: the same path in the folder of objects."""
    parts = list(mask.parts)
    parts[len(parts) - 1 - parts[::-1].index(_CLASSES)] = _OBJECTS
    return Path(*parts)


def _object_numbers(pixels: Array) -> Array:
    """(H, W) int32: 0 where there is no object, 255 where it is void, and another number for each object.

    VOC's own masks hold numbers. CVAT's hold colours: black for no object, and a colour for each.
    """
    if pixels.ndim == 2:
        return np.asarray(pixels.astype(np.int32))
    packed = (pixels[..., :3].astype(np.int32) * (1 << 16, 1 << 8, 1)).sum(2)
    colors, ranks = np.unique(packed, return_inverse=True)
    numbers = 256 + np.arange(len(colors), dtype=np.int32)
    numbers[colors == 0] = 0
    numbers[colors == _VOID_COLOR] = VOID
    return np.asarray(numbers[ranks].reshape(packed.shape))


def _sets(root: Path) -> dict[str, list[str]]:
    """The names of the images of each split."""
    if not (root / _SETS).is_dir():
        return {}
    sets: dict[str, list[str]] = {}
    for file in sorted((root / _SETS).glob("*.txt")):
        sets[canonical_split(file.stem) or ""] = read_lines(file)
    # CVAT calls the subset of all images without one so.
    return {} if list(sets) == ["default"] else sets


def _names(root: Path, split: str | None, masks: Mapping[str, Path]) -> tuple[list[str], tuple[str, ...]]:
    """The names of the images of a split, and notes if they were drawn, or have no mask."""
    sets = _sets(root)
    split = check_split(split, sets, root)
    if split is None:
        return list(masks), ()
    if sets:
        # Lists of the challenge's other tasks have a second column; names of other tools may have spaces.
        listed = [line if line in masks else line.split()[0] for line in sets[split]]
        unlabelled = [name for name in listed if name not in masks]
        if not unlabelled or not (root / "labelmap.txt").is_file():
            return listed, ()
        note = f"{counted(len(unlabelled), 'image')} without a mask left out, as CVAT lists them: {few(unlabelled)}"
        return [name for name in listed if name in masks], (note,)
    names, note = draw_names(list(masks), split, root)
    return names, (note,)


def _fits_the_challenge(masks: Sequence[Path]) -> bool:
    """Tell if masks hold class numbers of the challenge, and not only 0 and 255, whose meaning is plain."""
    scanned = scan(spread(masks))
    held = set(scanned.numbers) - {0, VOID}
    return not scanned.colors and bool(held) and held <= set(range(len(NAMES)))


def _with_things(classes: Classes) -> Classes:
    """The classes, all but the background things if none of them is stated to be one."""
    if any(classes.things):
        return classes
    return replace(classes, things=tuple(k != classes.background for k in range(len(classes))))


def _objects(name: str, truth: Segmentation) -> Array:
    """(H, W) uint8: the objects numbered from 1, 0 for stuff, 255 for void."""
    table = np.zeros(len(truth) + 1, np.int64)
    table[0] = VOID
    things = [n for n, label in enumerate(truth.labels.tolist()) if truth.classes.things[label]]
    if len(things) >= VOID:
        raise ValueError(f"{name} has {len(things)} objects: a palette PNG holds {VOID - 1}; write label-map or coco")
    table[[n + 1 for n in things]] = range(1, len(things) + 1)
    assert truth.ids is not None
    return np.asarray(table[truth.ids.numpy()].astype(np.uint8))


def _write_palette(path: Path, values: Array) -> None:
    image = Image.fromarray(values, "L")
    image.putpalette([value for color in voc_palette() for value in color])
    with write_aside(path) as aside:
        image.save(aside)
