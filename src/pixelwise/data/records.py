"""A data set: which images there are, and how to get at what is where in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..classes import Classes
from ..images.decoding import read_image
from ..images.header import read_header
from ..sample import Sample
from ..segmentation import Segmentation


@dataclass(frozen=True)
class Record:
    """One image of a data set.

    Attributes:
        name: the path below the data set's folder, without the suffix; no two are alike.
        image: the image's file.
        mask: the file that holds its ground truth, where each image has one.
        annotations: its ground truth as JSON, where one file holds those of all images.
    """

    name: str
    image: Path
    mask: Path | None = None
    annotations: bytes = b""

    @classmethod
    def below(cls, root: Path, image: Path, mask: Path | None = None, annotations: bytes = b"") -> Record:
        """Of an image below the data set's folder, which names it."""
        return cls(image.relative_to(root).with_suffix("").as_posix(), image, mask, annotations)


def read_record_image(record: Record) -> Tensor:
    """(3, H, W) uint8 RGB: the image of a record, from its file."""
    return read_image(record.image)


class Fault(NamedTuple):
    """Something that the annotations of an image have wrong, though they can perhaps be read.

    Attributes:
        level: "error", "warning" or "note", as of a finding.
        kind: what it is, in one word.
        text: what was found, in which file, and what to do about it.
    """

    level: str
    kind: str
    text: str


def no_faults(record: Record) -> tuple[Fault, ...]:
    """What a format says that knows nothing but its ground truth."""
    return ()


Truths = Callable[[Record], Segmentation]
"""Reads the ground truth of a record."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their ground truth, read from their files each time they are asked for.

    Attributes:
        classes: what the ground truths distinguish.
        records: one an image.
        split: "train", "val", …, or None for everything.
        format: the format it was read from, a key of `FORMATS`.
        notes: what was recognised when it was opened, in sentences for people.
        truths: reads the ground truth of one record.
        alone: images of any split that ought to have a mask and have none; `open_dataset` refuses such data.
        images: reads the image of one record; only of images that are made has its file another meaning than its
            name.
        apart: whether each object is a segment of its own; if not, all of a class are one segment.
        faults: tells where the annotations of one record contradict each other.
    """

    classes: Classes
    records: tuple[Record, ...]
    split: str | None
    format: str
    notes: tuple[str, ...]
    truths: Truths
    unpaired: tuple[Record, ...] = ()
    images: Callable[[Record], Tensor] = read_record_image
    has_instances: bool = True
    faults: Callable[[Record], Sequence[Fault]] = no_faults

    def __repr__(self) -> str:
        """The folder, the split and how much there is, on one line."""
        above = [
            parent for one in self.records[:1] for parent in one.image.absolute().parents[: one.name.count("/") + 1]
        ]
        folder = above[-1].name if above else ""
        classes = counted(len(self.classes), "class", "classes")
        return f"Dataset({folder!r}, split={self.split!r}, {counted(len(self), 'image')}, {classes})"

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: int) -> Sample:
        """Image i with its ground truth.

        Raises:
            FileNotFoundError, ValueError: a file is missing, broken, or holds what it may not; the mask has another
                size than the image as it is shown. A mask that was drawn on the stored pixels of a photo that EXIF
                turns is such a mask too: which of the two is right, only its maker knows.
        """
        record, image, truth = self.records[i], self.image(i), self.truth(i)
        if truth.size != tuple(image.shape[1:]):
            raise ValueError(_mismatch(record, tuple(image.shape[1:]), truth.size))
        return Sample(image, truth, record.name)

    def image(self, i: int) -> Tensor:
        """(3, H, W) uint8 RGB: image i alone."""
        return self.images(self.records[i])

    def truth(self, i: int) -> Segmentation:
        """What is where in image i, without reading the image."""
        return self.truths(self.records[i])


def short_names(records: Iterable[Record]) -> list[str]:
    """For each record a name without folders: the last part where these differ, else the parts joined by `_`.

    Raises:
        ValueError: for two records that would still get the same name.
    """
    names = [record.name for record in records]
    last = [name.rpartition("/")[2] for name in names]
    chosen = last if len(set(last)) == len(last) else [name.replace("/", "_") for name in names]
    if len(set(chosen)) < len(chosen):
        twice = Counter(chosen).most_common(1)[0][0]
        raise ValueError(f"two images would be called {twice!r}: give them different names")
    return chosen


def few(things: Iterable[object], number: int = 5) -> str:
    """The first few of them in words: `a, b, c, … (12 in all)`."""
    every = [str(thing) for thing in things]
    return ", ".join(every[:number]) + (f", … ({len(every)} in all)" if len(every) > number else "")


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things in words: `1 image`, `2 images`; of words that take no s, both are given."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def _mismatch(record: Record, image: tuple[int, ...], truth: tuple[int, int]) -> str:
    header = read_header(record.image)
    what = (
        f"{record.image} is {image[1]}x{image[0]}, but its mask {record.mask or 'annotation'} is {truth[1]}x{truth[0]}"
    )
    if header.orientation != 1 and truth == header.stored:
        return (
            f"{what}: the mask fits the photo as stored, before its EXIF orientation ({header.orientation}) turns it; "
            "turn the mask too, or remove the orientation from the photo"
        )
    return f"{what}: they must have the same size"
