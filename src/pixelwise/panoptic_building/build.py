"""Build panoptic data from what people have: class masks, objects, or both; every contradiction is reported."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..classes import Classes
from ..console import track
from ..data.dataset import Dataset, Record, short_names
from ..data.formats.panoptic_annotations import PanopticAnnotations
from ..data.image_copy import copy_image
from ..data.opening import available_splits, read_dataset
from ..inspection.survey import FAILURES
from ..ops.phrases import counted
from ..segmentation import Segmentation
from .conflict_report import LEFT_OUT, LEGENDS, ConflictReport, Row
from .conflicts import Conflict
from .ground_truth import APPROXIMATE, RULE, PanopticTruthBuilder

Source = Dataset | str | os.PathLike[str]


@dataclass(frozen=True)
class Building:
    """The result of `build_panoptic`.

    Attributes:
        out: the folder of the data, COCO panoptic.
        images: the number of images in each split.
        objects: the number of objects.
        rows: every conflict, and every image that was left out.
        page: the page that shows them; None where there are none.
        approximate: whether the objects are connected components of class masks.
    """

    out: Path
    images: Mapping[str, int]
    objects: int
    rows: tuple[Row, ...]
    page: Path | None
    approximate: bool

    @property
    def left_out(self) -> tuple[Row, ...]:
        """The images that are not in the data, and why."""
        return tuple(row for row in self.rows if row.kind == LEFT_OUT)

    def table(self) -> str:
        """A summary for a terminal: the number of conflicts of each kind, and the images that were left out."""
        images = ", ".join(f"{split}: {counted(number, 'image')}" for split, number in self.images.items())
        lines = [f"{images}; {counted(self.objects, 'object')}; COCO panoptic in {self.out}"]
        if self.approximate:
            lines.append(f"approximate: {APPROXIMATE}")
        for kind in LEGENDS:
            lines += self._conflicts(kind)
        lines += [f"left out: {row.image}: {row.text}" for row in self.left_out]
        if self.page:
            lines += [f"the rule: {RULE}", f"see {self.page}"]
        return "\n".join(lines)

    def _conflicts(self, kind: str) -> list[str]:
        """A line about the conflicts of one kind, if there are any."""
        rows = [row for row in self.rows if row.kind == kind]
        if not rows:
            return []
        images = {(row.split, row.image) for row in rows}
        where = f"{counted(sum(row.pixels for row in rows), 'pixel')} in {counted(len(images), 'image')}"
        return [f"{counted(len(rows), 'conflict')}: {LEGENDS[kind].meaning}: {where}"]


def build_panoptic(
    out: str | os.PathLike[str],
    *,
    semantic: Source | None = None,
    instances: Source | None = None,
    things: Sequence[str] = (),
    rest: str = "background",
    smallest: int = 0,
    reading: Mapping[str, Any] | None = None,
) -> Building:
    """Write COCO panoptic data, built from class masks and objects of the same images, paired by name.

    An object wins over the class mask; where objects overlap, the smaller one lies on top, crowds below all. Where
    the mask says a thing and there is no object, pixels become void. Each class of stuff is one segment. Every
    contradiction is a line of `out/conflicts/conflicts.csv` and is drawn in `out/conflicts/SPLIT/NAME.jpg`;
    `out/conflicts/index.html` shows the worst. Images that lack a partner, differ in size or cannot be read are left
    out and reported.

    Args:
        out: the folder of the data; images are copied there.
        semantic: class masks, in any format of `open_dataset`. Where there are no objects, the connected components
            of the things are the objects, and the data are marked as approximate.
        instances: objects, in any format that has them. Where there are no masks, all else is background or void.
            Objects that are just "object", as those of label maps, get the thing that most of their pixels have in the
            mask.
        things: names of the countable classes, besides those that objects have.
        rest: what becomes of the background: "background", a class of stuff, or "void".
        smallest: connected components of fewer pixels become void.
        reading: arguments of `open_dataset` for the masks, or for the objects where there are no masks.

    Raises:
        FileNotFoundError, ValueError: the data cannot be opened, or no image is left.
        OSError: the folder holds anything already, or cannot be written.
    """
    out = Path(out)
    _check_empty(out)
    first = semantic if semantic is not None else instances
    if first is None:
        raise ValueError("there is nothing to build from: give class masks, objects, or both")
    splits = _open_splits(first, reading or {})
    partners = _Partners(_open_all(instances) if semantic is not None and instances is not None else None)
    classes = next(iter(splits.values())).classes
    masks, objects = (None, classes) if semantic is None else (classes, partners.classes)
    builder = PanopticTruthBuilder.from_classes(masks, objects, things, rest, smallest)
    work = _Work(builder, partners, out, ConflictReport(out / "conflicts"))
    images = {split: work.build_split(data) for split, data in splits.items()}
    rows = work.report.rows
    for name in partners.unused():
        work.report.leave_out("all", name, "it has objects, but no class mask")
    if not sum(images.values()):
        raise ValueError(f"no image is left: {rows[0].image}: {rows[0].text}")
    page = work.report.write() if rows else None
    return Building(out, images, work.objects, tuple(rows), page, approximate=not builder.has_objects)


def _check_empty(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(
            f"{folder} holds files already, which would be mixed with the new ones: give a new folder"
        )


def _open_all(source: Source, reading: Mapping[str, Any] | None = None) -> Dataset:
    """All images of the data."""
    return source if isinstance(source, Dataset) else read_dataset(source, split=None, **(reading or {}))


def _open_splits(source: Source, reading: Mapping[str, Any]) -> dict[str, Dataset]:
    """Each split of the data."""
    whole = _open_all(source, reading)
    if isinstance(source, Dataset) or len(whole) < 2:
        return {whole.split or "all": whole}
    splits = available_splits(source, reading.get("format"), reading.get("images"), reading.get("masks"))
    return {split: read_dataset(source, split=split, **reading) for split in splits}


class _Partners:
    """The images with objects that belong to images with class masks; both have one name, if not one folder.

    Args:
        data: the images with objects, or None where masks or objects are alone.
    """

    def __init__(self, data: Dataset | None) -> None:
        self._data = data
        self._records = data.records if data else ()
        times = Counter(_last_part(record) for record in self._records)
        self._by_name: dict[str, int] = {}
        for i, record in enumerate(self._records):
            if times[_last_part(record)] == 1:
                self._by_name[_last_part(record)] = i
        # Whole names last: where one is the last part of another name, the image with this whole name is meant.
        self._by_name.update({record.name: i for i, record in enumerate(self._records)})
        self._used: set[int] = set()

    @property
    def classes(self) -> Classes | None:
        """The classes of the objects."""
        return self._data.classes if self._data else None

    def find(self, record: Record) -> int | None:
        """The number of the image with the name of `record`, or with the last part of its name where that is unique."""
        i = self._by_name.get(record.name, self._by_name.get(_last_part(record)))
        if i is not None:
            self._used.add(i)
        return i

    def truth(self, i: int) -> Segmentation:
        """The objects of image i."""
        assert self._data is not None
        return self._data.truth(i)

    def unused(self) -> list[str]:
        """The names of the images that were never found."""
        return [record.name for i, record in enumerate(self._records) if i not in self._used]


def _last_part(record: Record) -> str:
    return record.name.rpartition("/")[2]


class _Work:
    """Builds one split after the other.

    Attributes:
        report: conflicts and images that were left out, so far.
        objects: the number of objects so far.
    """

    def __init__(self, builder: PanopticTruthBuilder, partners: _Partners, out: Path, report: ConflictReport) -> None:
        self.builder, self.partners, self.out, self.report = builder, partners, out, report
        self.objects = 0

    def build_split(self, data: Dataset) -> int:
        """Write a split of the data; return the number of its images."""
        split, classes = data.split or "all", self.builder.classes
        info = {"description": "class masks and objects as panoptic segments", "rule": RULE, "version": __version__}
        if not self.builder.has_objects:
            info["approximate"] = APPROXIMATE
        folder = self.out / "annotations" / (f"panoptic_{data.split}" if data.split else "panoptic")
        annotations = PanopticAnnotations(classes, folder, scores=False, info=info)
        names, images = short_names(data.records), 0
        for i, name in track(enumerate(names), "merge", len(names)):
            partner = self.partners.find(data.records[i])
            try:
                sample = data[i]
                truth, conflicts = self._build_image(sample.truth, partner)
            except FAILURES as error:
                self.report.leave_out(split, name, str(error))
                continue
            annotations.add(copy_image(data, i, self.out / (data.split or "images") / name), truth)
            self.objects += sum(classes.things[label] for label in truth.labels.tolist())
            self.report.add(split, name, conflicts, sample, truth)
            images += 1
        annotations.write(folder.with_name(f"{folder.name}.json"))
        for record in data.unpaired:
            self.report.leave_out(split, record.name, "it has no class mask")
        return images

    def _build_image(self, truth: Segmentation | None, partner: int | None) -> tuple[Segmentation, list[Conflict]]:
        """The panoptic ground truth of an image.

        Args:
            truth: its class mask where there are masks, else its objects.
            partner: the number of the image with its objects, where there are both.
        """
        if not self.builder.has_masks:
            return self.builder.build(None, truth)
        if not self.builder.has_objects:
            return self.builder.build(truth, None)
        if partner is None:
            raise ValueError("it has a class mask, but no objects: there is no image of this name with them")
        return self.builder.build(truth, self.partners.truth(partner))
