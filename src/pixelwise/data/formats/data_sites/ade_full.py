"""ADE20K, full encoding: `NAME_seg.png` beside `NAME.jpg`, with class and object in its colours.

Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017: the class is `R // 10 * 256 + G`, 0 for none, and blue
tells the objects of a class apart. `NAME.json` or `NAME_atr.txt` beside an image names its objects.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ....classes import MAX_CLASSES, Classes, palette
from ....images.reading import read_mask
from ....ops.names import suggest
from ....ops.phrases import counted
from ....segmentation import Segmentation
from ....types import Array
from ...dataset import Dataset, Record
from ...recognition.class_names import GivenClasses, GivenColors, GivenVoid, parse_names
from ...recognition.path_words import folder_meaning
from ...recognition.splits import check_split, draw_records, order_splits
from ..label_map import rank_numbers

_ENDING = "_seg.png"
_NOTHING = "unlabeled"


@dataclass(frozen=True)
class ColorCodeReader:
    """Reads the ground truth of a record from the colours of its map.

    Attributes:
        classes: with a background, which is everything without a class.
        numbers: the number of each class in the maps; 0 for the background.
    """

    classes: Classes
    numbers: tuple[int, ...]

    def __call__(self, record: Record) -> Segmentation:
        assert record.mask is not None
        codes = _codes(record.mask)
        known = np.isin(codes // 256, self.numbers)
        codes = np.where(known, codes, 0)
        segments = np.unique(codes)
        labels = [self.numbers.index(int(code) // 256) for code in segments]
        ids = torch.from_numpy(rank_numbers(codes, segments))
        return Segmentation(self.classes, torch.tensor(labels, dtype=torch.int64), ids=ids)


def detect(path: Path) -> str | None:
    """Name the maps of the full encoding, if there are images with them and their colours fit."""
    if not path.is_dir():
        return None
    maps = _maps(path)
    fits = bool(maps) and all(_fits(file) for file in maps[:3])
    return f"ADE20K's full encoding, such as {maps[0].name}" if fits else None


def available(path: Path) -> tuple[str, ...]:
    """List the splits that `read` accepts."""
    return order_splits(_splits(path, _maps(path))) or ("train", "val")


def read(
    path: Path, split: str | None, *, classes: GivenClasses = None, void: GivenVoid = None, colors: GivenColors = None
) -> Dataset:
    """Read a split, with a segment for each object; classes are called by their name, or "class 123" without one.

    Args:
        path: the folder, at any level above the images.
        split: "train", "val", …, None for everything.
        classes: those to keep; the others become background. All by default.
        void: must be None.
        colors: must be None.

    Raises:
        ValueError: there are no such maps, or they have more than 254 classes and none are chosen.
    """
    if void is not None or colors is not None:
        raise ValueError("the colours of ADE20K's full encoding are known: leave --void and --colors out")
    maps = _maps(path)
    if not maps:
        raise ValueError(f"{path} holds no maps of ADE20K's full encoding: wanted NAME{_ENDING} beside NAME.jpg")
    own = _splits(path, maps)
    split = check_split(split, own, path)
    named, numbers = _classes(path, maps, classes)
    chosen = [file for file in maps if split is None or not own or _split(path, file) == split]
    records = [Record.below(path, _image(file), file) for file in chosen]
    kept, note = draw_records(records, split, own, path)
    notes = (detect(path) or "", "the class is R // 10 * 256 + G, the object is B", *note)
    return Dataset(named, kept, split, "ade-full", notes, ColorCodeReader(named, numbers))


def _codes(file: Path) -> Array:
    """(H, W) int64: 256 times the class, plus the object."""
    pixels = read_mask(file)
    if pixels.ndim != 3:
        raise ValueError(f"{file} is not in colours: a map of ADE20K's full encoding is")
    red = pixels[..., 0].astype(np.int64)
    green = pixels[..., 1].astype(np.int64)
    blue = pixels[..., 2].astype(np.int64)
    return np.asarray(((red // 10) * 256 + green) * 256 + blue)


def _fits(file: Path) -> bool:
    """Tell whether red is a multiple of ten everywhere, as in the full encoding."""
    pixels = read_mask(file)
    return pixels.ndim == 3 and not (pixels[..., 0] % 10).any()


def _maps(path: Path) -> list[Path]:
    files = sorted(file for file in path.rglob(f"*{_ENDING}") if not file.name.startswith("."))
    return [file for file in files if _image(file).is_file() and file.name.startswith("ADE_")]


def _image(file: Path) -> Path:
    return file.with_name(file.name.removesuffix(_ENDING) + ".jpg")


def _split(path: Path, file: Path) -> str | None:
    return folder_meaning(file.relative_to(path).parent.parts).split


def _splits(path: Path, maps: Iterable[Path]) -> set[str]:
    splits = {_split(path, file) for file in maps}
    return {split for split in splits if split}


def _classes(path: Path, maps: Iterable[Path], wanted: GivenClasses) -> tuple[Classes, tuple[int, ...]]:
    """The classes, and the number of each in the maps."""
    names: dict[int, str] = {}
    for file in maps:
        stated = _stated_names(file)
        for number in np.unique(_codes(file) // 256).tolist():
            if number:
                names[number] = stated.get(number, names.get(number, f"class {number}"))
    numbers = sorted(names)
    uses = Counter(names.values())
    texts = [names[number] if uses[names[number]] == 1 else f"class {number}" for number in numbers]
    if wanted is None and len(numbers) >= MAX_CLASSES:
        raise ValueError(f"{path} holds {counted(len(numbers), 'class', 'classes')}: choose some with --classes")
    if wanted is not None:
        given = wanted.names if isinstance(wanted, Classes) else parse_names(wanted)
        kept = [name for name in given if name != _NOTHING]
        unknown = next((name for name in kept if name not in texts), None)
        if unknown is not None:
            raise ValueError(f"{path} has no class {unknown!r}; {suggest(unknown, texts)}")
        numbers = [numbers[texts.index(name)] for name in kept]
        texts = kept
    colors = ((0, 0, 0), *palette(len(texts)))
    return Classes((_NOTHING, *texts), colors, (False, *(True,) * len(texts)), 0), (0, *numbers)


def _stated_names(file: Path) -> Mapping[int, str]:
    """The name of each class that `NAME.json` beside an image states."""
    beside = _image(file).with_suffix(".json")
    if not beside.is_file():
        return {}
    try:
        content = json.loads(beside.read_bytes())
        objects = content["annotation"]["object"]
        return {int(item["name_ndx"]): str(item["name"]) for item in objects}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{beside} should list the objects of {file.name}, but it does not: {error}") from error
