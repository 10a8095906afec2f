"""What a network will see of a data set, and everything that is wrong with the data, on one page."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..classes import Classes
from ..data.augmentation.transforms import Augmentation, augmentation, resize_sample
from ..data.dataset import Dataset
from ..data.opening import available_splits, read_dataset
from ..drawing.legend import Pixels
from ..drawing.overlay import draw
from ..drawing.pages import Page
from ..ops.phrases import counted, few
from ..ops.resize import Resizing
from ..sample import Sample
from .findings import Finding, broken, findings
from .survey import Look, alike_across_splits, areas, survey, survey_files

SHOWN = 6
"""So many images are shown with their masks, and so many pairs of images that look alike."""

VIEWS = 3
"""So many augmented views of each are shown."""

SIDE = 480
"""Images on the page have at most that many pixels a side."""


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        page: the page that was written.
        images: their number in each split.
        classes: for each class its name, its share of the pixels that are not void, the number of images that hold
            it, and number and median area of its objects.
        findings: errors first.
    """

    page: Path
    images: Mapping[str, int]
    classes: tuple[Mapping[str, str | int | float], ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that must be mended."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {
            "page": str(self.page),
            "images": dict(self.images),
            "classes": [dict(row) for row in self.classes],
            "findings": [asdict(finding) for finding in self.findings],
        }

    def table(self) -> str:
        """The same for a terminal."""
        width = max((len(str(row["class"])) for row in self._present()), default=5)
        lines = []
        if self.classes:
            lines = [_numbers(self.images), "", f"{'class':{width}}  pixels  images  objects  median area"]
        for row in self._present():
            lines.append(
                f"{row['class']:{width}}  {row['pixels']:6.1%}  {row['images']:8}  {row['objects']:7}  "
                f"{row['median area']:11}"
            )
        lines += self._absent()
        lines += [*([""] if lines else []), *(f"{finding.level}: {finding.text}" for finding in self.findings)]
        return "\n".join([*lines, "" if self.findings else "nothing is wrong", f"see {self.page}"])

    def _present(self) -> list[Mapping[str, str | int | float]]:
        """The classes that occur."""
        return [row for row in self.classes if row["images"] or row["objects"]]

    def _absent(self) -> list[str]:
        """A line that names the others, if there are any."""
        names = [row["class"] for row in self.classes if row not in self._present()]
        return [f"classes that do not occur: {few(names)}"] * bool(names)


def inspect(
    data: Dataset | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    split: str | None = None,
    reading: Mapping[str, Any] | None = None,
    imgsz: int = 256,
    augment: str = "default",
) -> Inspection:
    """Look at every image, and write one page: `out/index.html`.

    The page shows images with their masks, as they are and as the network will see them in training; the shares of
    the classes and the sizes of objects and images; and every problem, with what to do about it: files that cannot be
    read, masks of another size, unknown values, images without objects, the same image in two splits, tiny objects,
    rare classes.

    Args:
        data: a data set, or where it lies.
        out: the folder for the page.
        split: the split to look at; all of them if None.
        reading: arguments for `open_dataset`: format, classes, void, colors.
        imgsz: side of the training crops that are shown, pixels.
        augment: the name of the augmentation that is shown.

    Raises:
        FileNotFoundError, ValueError: when the data cannot be opened, and not because of single broken files.
        OSError: when the page cannot be written.
    """
    augmented, file = augmentation(augment, (imgsz, imgsz)), Path(out) / "index.html"
    page = Page("What is in the data")
    try:
        parts = _parts(data, split, reading or {})
    except ValueError as error:
        return _unopened(data, error, page, file)
    looks = survey(parts)
    twins = alike_across_splits(looks)
    found = findings(parts, looks, twins, imgsz)
    rows = _class_rows(next(iter(parts.values())).classes, looks)
    numbers = {name: len(part) for name, part in parts.items()}
    result = Inspection(file, numbers, rows, found)
    page.text(_numbers(numbers))
    page.findings([(finding.level, finding.text) for finding in found] or [("fine", "Nothing is wrong.")])
    _add_tables(page, result, looks)
    shown = _shown(looks)
    page.heading("Masks on images").images((_drawn(parts, one), one.name) for one in shown)
    page.heading(f"What the network sees: crops of {imgsz} pixels, augmentation {augment!r}")
    for one in shown:
        page.images(_views(parts[one.split], one, augmented))
    if twins:
        page.heading("Alike in two splits")
    for known, one, likeness in twins[:SHOWN]:
        captions = f"{known.name} ({known.split})", f"{one.name} ({one.split}), {likeness:.1%} alike"
        page.images(zip((_drawn(parts, known), _drawn(parts, one)), captions, strict=True))
    page.write(file)
    return result


def _unopened(data: Dataset | str | os.PathLike[str], error: ValueError, page: Page, file: Path) -> Inspection:
    """What is wrong with the files of data that cannot be opened, and why they cannot; the error where all are fine."""
    found = () if isinstance(data, Dataset) or not Path(data).exists() else tuple(broken(survey_files(Path(data))))
    if not found:
        raise error
    if str(error) not in [one.text for one in found]:
        found = (Finding("error", "reading", str(error)), *found)
    page.text("The data cannot be opened before this is mended; then inspect them again.")
    return Inspection(page.findings((one.level, one.text) for one in found).write(file), {}, (), found)


def _numbers(images: Mapping[str, int]) -> str:
    return ", ".join(f"{split}: {counted(number, 'image')}" for split, number in images.items())


def _parts(data: Dataset | str | os.PathLike[str], split: str | None, reading: Mapping[str, Any]) -> dict[str, Dataset]:
    if isinstance(data, str | os.PathLike):
        splits = [split] if split else available_splits(data, reading.get("format"))
        return {name: read_dataset(data, split=name, **reading) for name in splits}
    return {data.split or "all": data}


def _class_rows(classes: Classes, looks: list[Look]) -> tuple[Mapping[str, str | int | float], ...]:
    pixels, held = (
        np.array([row for row in table if row is not None], np.int64).reshape(-1, len(classes))
        for table in ([one.pixels for one in looks], [one.classes for one in looks])
    )
    total = max(1, int(pixels.sum()))
    rows: list[Mapping[str, str | int | float]] = []
    for label, name in enumerate(classes.names):
        sizes = areas(looks, label)
        rows.append(
            {
                "class": name,
                "pixels": float(pixels[:, label].sum() / total),
                "images": int(held[:, label].sum()),
                "objects": len(sizes),
                "median area": int(np.median(sizes)) if len(sizes) else 0,
            }
        )
    return tuple(rows)


def _add_tables(page: Page, result: Inspection, looks: list[Look]) -> None:
    page.heading("Classes")
    header = ("class", "pixels", "images that hold it", "objects", "median area")
    page.table(header, [[row["class"], f"{row['pixels']:.2%}", *list(row.values())[2:]] for row in result._present()])
    for line in result._absent():
        page.text(line)
    page.heading("Objects, by area in pixels")
    page.text("Objects are the countable ones; where nothing is countable, the connected parts of each class.")
    rows: list[list[object]] = []
    for label, row in enumerate(result.classes):
        sizes = areas(looks, label)
        if len(sizes):
            rows.append([row["class"], *np.quantile(sizes, [0, 0.05, 0.5, 0.95, 1]).round().astype(int).tolist()])
    page.table(("class", "smallest", "5 %", "median", "95 %", "largest"), rows)
    page.heading("Sizes of the images")
    shapes = Counter(one.size for one in looks if one.size)
    page.table(("width", "height", "images"), [[w, h, number] for (h, w), number in shapes.most_common(8)])
    if len(shapes) > 8:
        page.text(f"The 8 most frequent of {len(shapes)} sizes.")


def _shown(looks: list[Look]) -> list[Look]:
    """Some images of the first split, evenly spaced among those with most in them."""
    usable = [one for one in looks if one.pixels is not None and one.split == looks[0].split]
    full = [one for one in usable if one.objects is not None and len(one.objects)] or usable
    return [full[k] for k in np.unique(np.linspace(0, len(full) - 1, SHOWN).round().astype(int))] if full else []


def _drawn(parts: Mapping[str, Dataset], one: Look) -> Pixels:
    data = parts[one.split]
    if one.pixels is None:
        image = resize_sample(Sample(data.image(one.index)), Resizing(long_side=SIDE)).image
        return np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    small = resize_sample(data[one.index], Resizing(long_side=SIDE))
    assert small.truth is not None
    return draw(small.image, small.truth)


def _views(data: Dataset, one: Look, augmented: Augmentation) -> Iterator[tuple[Pixels, str]]:
    sample = data[one.index]
    for k in range(VIEWS):
        view = augmented(sample, np.random.default_rng((one.index, k)))
        assert view.truth is not None
        yield draw(view.image, view.truth, labels=False, legend=False), f"{one.name}, view {k + 1}"
