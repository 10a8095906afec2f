"""Data sets: which images there are, and how to read each image and its ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..classes import Classes
from ..images.header import read_header
from ..images.intensity import IntensityRange
from ..images.reading import read_image
from ..ops.phrases import counted
from ..sample import Sample
from ..segmentation import Segmentation
from ..types import Size


@dataclass(frozen=True)
class Record:
    """One image of a data set.

    Attributes:
        name: the path below the data set's folder, without the suffix; unique within the data set.
        image: the image's file.
        mask: the file that holds its ground truth, where each image has one.
        annotations: its ground truth as JSON, where one file holds the annotations of all images.
    """

    name: str
    image: Path
    mask: Path | None = None
    annotations: bytes = b""

    @classmethod
    def below(cls, root: Path, image: Path, mask: Path | None = None, annotations: bytes = b"") -> Record:
        """Make the record of an image below the folder `root`, named by its path in there."""
        return cls(image.relative_to(root).with_suffix("").as_posix(), image, mask, annotations)


class Fault(NamedTuple):
    """A mistake in the annotations of an image, which can perhaps be read nevertheless.

    Attributes:
        level: "error", "warning" or "note", as for a finding.
        kind: the kind of mistake, in one word.
        text: the mistake, the file it is in, and what to do about it.
    """

    level: str
    kind: str
    text: str


def no_faults(record: Record) -> tuple[Fault, ...]:
    """No faults: the answer of formats whose annotations hold nothing but the ground truth."""
    return ()


ImageReader = Callable[[Record], Tensor]
"""A function that makes the image of a record, (3, H, W) uint8 RGB."""

TruthReader = Callable[[Record], Segmentation]
"""A function that reads the ground truth of a record."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with their ground truth, read from their files each time they are asked for.

    Attributes:
        classes: the classes of the ground truth.
        records: one for each image.
        split: "train", "val", …, or None for everything.
        format: the format it was read from, a key of `FORMATS`.
        notes: what was recognised when the data set was opened, in sentences for people.
        truths: reads the ground truth of one record.
        unpaired: images of any split that should have a mask and have none; `open_dataset` refuses such data.
        images: makes the image of one record, for synthetic data; None where images are read from files.
        has_instances: whether each object is a segment of its own; if not, all objects of a class are one segment.
        faults: lists the contradictions in the annotations of one record.
        intensity: which values of images of more than 8 bits become 0 and 255; None where there are no such images, or
            nobody knows.
    """

    classes: Classes
    records: tuple[Record, ...]
    split: str | None
    format: str
    notes: tuple[str, ...]
    truths: TruthReader
    unpaired: tuple[Record, ...] = ()
    images: ImageReader | None = None
    has_instances: bool = True
    faults: Callable[[Record], Sequence[Fault]] = no_faults
    intensity: IntensityRange | None = None

    def __repr__(self) -> str:
        """The folder, the split and the numbers of images and classes, on one line."""
        folder = ""
        if self.records:
            first = self.records[0]
            above = first.image.absolute().parents
            depth = first.name.count("/")  # a name of two parts is two levels below the data set's folder
            folder = above[min(depth, len(above) - 1)].name
        classes = counted(len(self.classes), "class", "classes")
        return f"Dataset({folder!r}, split={self.split!r}, {counted(len(self), 'image')}, {classes})"

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: int) -> Sample:
        """Image i with its ground truth.

        Raises:
            FileNotFoundError, ValueError: a file is missing or broken, or holds values that are not allowed; or the
                mask and the image (as displayed) differ in size. That includes masks drawn on the stored pixels of a
                photo that EXIF rotates: which of the two is right, only the author knows.
        """
        record, image, truth = self.records[i], self.image(i), self.truth(i)
        size = (image.shape[1], image.shape[2])
        if truth.size != size:
            raise ValueError(_mismatch(record, size, truth.size))
        return Sample(image, truth, record.name)

    def image(self, i: int) -> Tensor:
        """(3, H, W) uint8 RGB: image i alone."""
        record = self.records[i]
        if self.images is not None:
            return self.images(record)
        return read_image(record.image, intensity=self.intensity)

    def truth(self, i: int) -> Segmentation:
        """Ground truth of image i, without reading the image."""
        return self.truths(self.records[i])


def short_names(records: Iterable[Record]) -> list[str]:
    """For each record a name without folders: the last part where these differ, else the parts joined by `_`.

    Raises:
        ValueError: two records would still get the same name.
    """
    names = [record.name for record in records]
    chosen = [name.rpartition("/")[2] for name in names]
    if len(set(chosen)) < len(chosen):
        chosen = [name.replace("/", "_") for name in names]
    if len(set(chosen)) < len(chosen):
        twice = Counter(chosen).most_common(1)[0][0]
        raise ValueError(f"two images would be called {twice!r}: give them different names")
    return chosen


def _mismatch(record: Record, image: Size, truth: Size) -> str:
    """The error for an image and a mask of different sizes, with EXIF orientation as its cause where it is."""
    header = read_header(record.image)
    what = (
        f"{record.image} is {image[1]}x{image[0]}, but its mask {record.mask or 'annotation'} is {truth[1]}x{truth[0]}"
    )
    if header.orientation != 1 and truth == header.stored and record.mask is None:
        return (
            f"{what}: that is the size of the photo as stored, before its EXIF orientation ({header.orientation}) "
            "turns it; if the polygons were drawn on the upright photo, as seen, swap width and height in the "
            "annotations; if on the stored one, turn the polygons too"
        )
    if header.orientation != 1 and truth == header.stored:
        return (
            f"{what}: the mask fits the photo as stored, before its EXIF orientation ({header.orientation}) turns it; "
            "turn the mask too, or remove the orientation from the photo"
        )
    return f"{what}: they must have the same size"
