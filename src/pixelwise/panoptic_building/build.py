"""Panoptic data from what people have: class masks, objects, or both; every contradiction is shown."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .. import __version__
from ..classes import Color
from ..console import track
from ..data.dataset import Dataset, Record, short_names
from ..data.formats.mask_folder import copy_image
from ..data.formats.panoptic_annotations import PanopticAnnotations
from ..data.opening import available_splits, read_dataset
from ..drawing.legend import Pixels, add_legend
from ..drawing.overlay import draw, sheet
from ..drawing.pages import Page
from ..inspection.survey import FAILURES
from ..ops.atomic_files import write_aside, write_bytes
from ..ops.phrases import counted
from ..sample import Sample
from ..segmentation import Segmentation
from .ground_truth import APPROXIMATE, RULE, Conflict, PanopticTruthBuilder

SHOWN = 40
"""So many images with conflicts are on the page, those with most pixels first; all are in the folder."""

MEANINGS: dict[str, tuple[Color, str]] = {
    "class": ((213, 94, 0), "the mask says another class than the object"),
    "uncovered": ((86, 180, 233), "the mask says a thing, and no object is there"),
    "overlap": ((240, 228, 66), "objects lie on each other"),
    "classless": ((204, 121, 167), "the mask does not say what the object is"),
}
"""The kinds of conflicts, their colours and what they mean."""

Source = Dataset | str | os.PathLike[str]
Partners = Mapping[str, tuple[Dataset, int]]


@dataclass(frozen=True)
class Row:
    """A conflict, or an image that was left out, as the table has it.

    Attributes:
        split, image: where it is.
        kind: that of the `Conflict`; "left out" where the image is not in the data.
        pixels: how many it concerns.
        text: in words.
    """

    split: str
    image: str
    kind: str
    pixels: int
    text: str


@dataclass(frozen=True)
class Building:
    """What `build_panoptic` did.

    Attributes:
        out: the folder of the data, COCO panoptic.
        images: their number in each split.
        objects: the number of objects.
        rows: every conflict, and every image that was left out.
        page: the page that shows them; None where there are none.
        approximate: whether objects are connected parts of class masks.
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
        return tuple(row for row in self.rows if row.kind == "left out")

    def table(self) -> str:
        """The same for a terminal: numbers of conflicts of each kind, and what was left out."""
        numbers = ", ".join(f"{split}: {counted(number, 'image')}" for split, number in self.images.items())
        lines = [f"{numbers}; {counted(self.objects, 'object')}; COCO panoptic in {self.out}"]
        lines += [f"approximate: {APPROXIMATE}"] if self.approximate else []
        for kind, (_, meaning) in MEANINGS.items():
            found = [row for row in self.rows if row.kind == kind]
            images = len({(row.split, row.image) for row in found})
            pixels = counted(sum(row.pixels for row in found), "pixel")
            where = f"{pixels} in {counted(images, 'image')}"
            lines += [f"{counted(len(found), 'conflict')}: {meaning}: {where}"] if found else []
        lines += [f"left out: {row.image}: {row.text}" for row in self.left_out]
        return "\n".join([*lines, *([f"the rule: {RULE}\nsee {self.page}"] if self.page else [])])


@dataclass
class _Found:
    """What is gathered on the way."""

    rows: list[Row] = field(default_factory=list)
    shown: list[tuple[int, Path, str]] = field(default_factory=list)
    objects: int = 0
    used: set[str] = field(default_factory=set)


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
    """Writes COCO panoptic data from class masks and objects of the same images, paired by name.

    An object wins over the class mask; of objects that overlap the smaller lies on top, crowds below all. Where the
    mask says a thing and no object is, pixels become void. Each class of stuff is one segment. Every contradiction is a
    line of `out/conflicts/conflicts.csv` and can be seen in `out/conflicts/SPLIT/NAME.jpg`; `out/conflicts/index.html`
    shows the worst. Images that lack a partner, differ in size or cannot be read are left out, and told.

    Args:
        out: the folder; images are copied there.
        semantic: class masks, any format of `open_dataset`. Alone: the connected parts of the things are the objects,
            which is marked as approximate.
        instances: objects, any format that has them. Alone: all else is background or void. Objects that are just
            "object", as those of label maps, get the thing that most of their pixels have in the mask.
        things: names of the countable classes, beside those that objects have.
        rest: what becomes of the background: "background", a class of stuff, or "void".
        smallest: connected parts of fewer pixels become void.
        reading: arguments of `open_dataset` for the class masks, or for the objects where these are alone.

    Raises:
        FileNotFoundError, ValueError: when the data cannot be opened, or no image is left.
        OSError: when the folder holds anything already, or cannot be written.
    """
    out, found = Path(out), _Found()
    if out.is_dir() and any(out.iterdir()):
        raise FileExistsError(f"{out} holds files already, which would be mixed with the new ones: give a new folder")
    first = semantic if semantic is not None else instances
    if first is None:
        raise ValueError("there is nothing to build from: give class masks, objects, or both")
    both = semantic is not None and instances is not None
    parts, other = _opened(first, reading or {}), _whole(instances) if both and instances is not None else None
    classes = next(iter(parts.values())).classes
    objects = other.classes if other else classes if semantic is None else None
    merger = PanopticTruthBuilder.plan(classes if semantic is not None else None, objects, things, rest, smallest)
    partners = _partners(other)
    numbers = {split: _build(merger, data, partners, out, found) for split, data in parts.items()}
    _add_lonely(found, other)
    if not sum(numbers.values()):
        raise ValueError(f"no image is left: {found.rows[0].image}: {found.rows[0].text}")
    page = _report(found, out / "conflicts") if found.rows else None
    return Building(out, numbers, found.objects, tuple(found.rows), page, not merger.objects)


def _whole(source: Source, reading: Mapping[str, Any] | None = None) -> Dataset:
    """All images of the data."""
    return source if isinstance(source, Dataset) else read_dataset(source, split=None, **(reading or {}))


def _opened(source: Source, reading: Mapping[str, Any]) -> dict[str, Dataset]:
    """Each split of the data."""
    whole = _whole(source, reading)
    if isinstance(source, Dataset) or len(whole) < 2:
        return {whole.split or "all": whole}
    splits = available_splits(source, reading.get("format"))
    return {split: read_dataset(source, split=split, **reading) for split in splits}


def _last(record: Record) -> str:
    return record.name.rpartition("/")[2]


def _partners(other: Dataset | None) -> Partners:
    """Images by their whole name, and by its last part where only one has that."""
    records = other.records if other else ()
    times = Counter(map(_last, records))
    short = {_last(record): i for i, record in enumerate(records) if times[_last(record)] == 1}
    every = short | {record.name: i for i, record in enumerate(records)}
    return {name: (other, i) for name, i in every.items() if other}


def _build(merger: PanopticTruthBuilder, data: Dataset, partners: Partners, out: Path, found: _Found) -> int:
    """One split: how many images it has."""
    info = {"description": "class masks and objects as panoptic segments", "rule": RULE, "version": __version__}
    info |= {} if merger.objects else {"approximate": APPROXIMATE}
    folder, split = out / "annotations" / f"panoptic{'_' * bool(data.split)}{data.split or ''}", data.split or "all"
    annotations = PanopticAnnotations(merger.classes, folder, scores=False, info=info)
    names, done = short_names(data.records), 0
    for i, name in track(enumerate(names), "merge", len(names)):
        record = data.records[i]
        partner = partners.get(record.name) or partners.get(_last(record))
        found.used |= {partner[0].records[partner[1]].name} if partner else set()
        try:
            sample = data[i]
            merged, conflicts = _merged(merger, sample, partner)
        except FAILURES as error:
            found.rows.append(Row(split, name, "left out", 0, str(error)))
            continue
        annotations.add(copy_image(data, i, out / (data.split or "images") / name), merged)
        found.objects += sum(merger.classes.things[label] for label in merged.labels.tolist())
        _keep(found, out / "conflicts" / split / f"{name}.jpg", conflicts, sample, merged)
        done += 1
    annotations.write(folder.with_name(f"{folder.name}.json"))
    found.rows += [Row(split, one.name, "left out", 0, "it has no class mask") for one in data.unpaired]
    return done


def _merged(
    merger: PanopticTruthBuilder, sample: Sample, partner: tuple[Dataset, int] | None
) -> tuple[Segmentation, list[Conflict]]:
    """The ground truth of an image, whose own one is the class mask where there are such, else the objects."""
    if not merger.masks:
        return merger.merge(None, sample.truth)
    if not merger.objects:
        return merger.merge(sample.truth, None)
    if partner is None:
        raise ValueError("it has a class mask, but no objects: there is no image of this name with them")
    return merger.merge(sample.truth, partner[0].truth(partner[1]))


def _keep(found: _Found, file: Path, conflicts: Sequence[Conflict], sample: Sample, merged: Segmentation) -> None:
    """The conflicts of an image: their rows, and an image of them beside what became of it."""
    if not conflicts:
        return
    split, name = file.parent.name, file.stem
    found.rows += [Row(split, name, one.kind, one.pixels, one.text) for one in conflicts]
    marked = _marked(sample, conflicts)
    seen = sheet([marked, draw(sample.image, merged)], 2, captions=("conflicts", "what became of them"), side=640)
    data = cv2.imencode(".jpg", np.ascontiguousarray(seen[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    write_bytes(file, data.tobytes())
    found.shown.append((sum(one.pixels for one in conflicts), file, f"{name} ({split})"))


def _marked(sample: Sample, conflicts: Sequence[Conflict]) -> Pixels:
    """The image in grey, with each kind of conflict in its colour."""
    pixels = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
    grey = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    entries = []
    for kind, (color, meaning) in MEANINGS.items():
        of_kind = [one.where for one in conflicts if one.kind == kind]
        if of_kind:
            where = np.any(of_kind, axis=0)
            grey[where] = np.rint(grey[where] * 0.25 + np.array(color) * 0.75).astype(np.uint8)
            entries.append((color, f"{meaning} ({int(where.sum())} px)"))
    return add_legend(grey, entries)


def _add_lonely(found: _Found, other: Dataset | None) -> None:
    """Images with objects that no class mask belongs to."""
    lonely = [record.name for record in other.records if record.name not in found.used] if other else []
    found.rows += [Row("all", name, "left out", 0, "it has objects, but no class mask") for name in lonely]


def _report(found: _Found, folder: Path) -> Path:
    """The table, and the page."""
    lines = io.StringIO()
    table = csv.writer(lines)
    header = ("split", "image", "kind", "pixels", "text")
    rows = [(row.split, row.image, row.kind, row.pixels, row.text) for row in found.rows]
    table.writerows([header, *rows])
    with write_aside(folder / "conflicts.csv") as aside:
        aside.write_text(lines.getvalue(), encoding="utf-8", newline="")
    page = Page("Where class masks and objects contradict each other").text(f"The rule: {RULE}.")
    kinds = Counter(row.kind for row in found.rows)
    meanings = {kind: meaning for kind, (_, meaning) in MEANINGS.items()} | {"left out": "images that are left out"}
    pixels = {kind: sum(row.pixels for row in found.rows if row.kind == kind) for kind in kinds}
    page.table(("conflicts", "pixels", "what"), [[n, pixels[kind], meanings[kind]] for kind, n in kinds.items()])
    worst = sorted(found.shown, key=lambda one: -one[0])[:SHOWN]
    page.heading("Images with conflicts" if len(worst) == len(found.shown) else "The worst images")
    for _, file, caption in worst:
        page.image(np.ascontiguousarray(cv2.imread(str(file))[..., ::-1]), caption)
    listed = sorted(rows, key=lambda row: (row[2] != "left out", -row[3]))[: 10 * SHOWN]
    page.heading("Each of them" if len(listed) == len(rows) else f"The first {len(listed)} of {len(rows)}")
    page.text("All are in conflicts.csv.").table(header, listed)
    return page.write(folder / "index.html")
