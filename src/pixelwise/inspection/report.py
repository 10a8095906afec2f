"""Inspection of a data set: one page that shows what a network will see of it, and everything that is wrong with it."""

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
from ..drawing.plots import histogram
from ..ops.phrases import counted, few
from ..ops.resize import Resizing
from ..sample import Sample
from .duplicates import SimilarPair, find_similar_images
from .findings import Finding, all_findings, unusable_images
from .intensities import total_counts
from .survey import SurveyedImage, object_areas_of, survey, survey_files

MAX_SHOWN = 6
"""Number of images that are shown with their masks, and of pairs of similar images."""

VIEWS = 3
"""Number of augmented views of each image."""

MAX_SIDE = 480
"""Height and width of images on the page at most, pixels."""

MAX_SIZES = 8
"""Number of image sizes in their table at most."""

ClassRow = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Inspection:
    """The result of `inspect`.

    Attributes:
        page: the page that was written.
        images: the number of images in each split.
        classes: for each class its name, its share of the pixels that are not void, the number of images that hold
            it, and number and median area of its objects.
        findings: problems and notable facts, errors first.
    """

    page: Path
    images: Mapping[str, int]
    classes: tuple[ClassRow, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that must be corrected before training."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of lists and numbers, for JSON."""
        classes = [dict(row) for row in self.classes]
        findings = [asdict(finding) for finding in self.findings]
        return {"page": str(self.page), "images": dict(self.images), "classes": classes, "findings": findings}

    def table(self) -> str:
        """A summary for a terminal."""
        lines = []
        if self.classes:
            lines = [_image_numbers(self.images), "", *self._class_lines(), *self._absent(), ""]
        lines += [f"{finding.level}: {finding.text}" for finding in self.findings]
        lines += ["" if self.findings else "nothing is wrong", f"see {self.page}"]
        return "\n".join(lines)

    def _class_lines(self) -> list[str]:
        present = self._present()
        width = max((len(str(row["class"])) for row in present), default=5)
        lines = [f"{'class':{width}}  pixels  images  objects  median area"]
        for row in present:
            lines.append(
                f"{row['class']:{width}}  {row['pixels']:6.1%}  {row['images']:8}  {row['objects']:7}  "
                f"{row['median area']:11}"
            )
        return lines

    def _present(self) -> list[ClassRow]:
        """The classes that occur."""
        return [row for row in self.classes if row["images"] or row["objects"]]

    def _absent(self) -> list[str]:
        """A line that names the classes that do not occur, if there are any."""
        names = [row["class"] for row in self.classes if not (row["images"] or row["objects"])]
        return [f"classes that do not occur: {few(names)}"] if names else []


def inspect(
    data: Dataset | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    split: str | None = None,
    reading: Mapping[str, Any] | None = None,
    imgsz: int = 256,
    augment: str = "default",
) -> Inspection:
    """Read every image of a data set, look for problems, and write one page: `out/index.html`.

    The page shows images with their masks, as they are and as the network will see them in training; the shares of
    the classes and the sizes of objects and images; and every problem, with what to do about it: files that cannot be
    read, masks of another size, unknown values, images without objects, the same image in two splits, tiny objects,
    rare classes.

    Args:
        data: a data set, or its path.
        out: the folder of the page.
        split: the split to inspect; all of them if None.
        reading: arguments for `open_dataset`: format, classes, void, colors, images, masks, intensity.
        imgsz: side of the training crops that are shown, pixels.
        augment: the name of the augmentation that is shown.

    Raises:
        FileNotFoundError, ValueError: the data cannot be opened, for another reason than single broken files.
        OSError: the page cannot be written.
    """
    augmented, file = augmentation(augment, (imgsz, imgsz)), Path(out) / "index.html"
    page = Page("What is in the data")
    try:
        splits = _open_splits(data, split, reading or {})
    except ValueError as error:
        return _report_unopened(data, error, page, file)
    images = survey(splits)
    similar = find_similar_images(images)
    findings = all_findings(splits, images, similar, imgsz)
    classes = next(iter(splits.values())).classes
    numbers = {name: len(part) for name, part in splits.items()}
    result = Inspection(file, numbers, _class_rows(classes, images), findings)

    page.text(_image_numbers(numbers))
    page.findings([(finding.level, finding.text) for finding in findings] or [("fine", "Nothing is wrong.")])
    _add_class_tables(page, result, images)
    _add_image_sizes(page, images)
    _add_intensities(page, splits, images)
    examples = _choose_examples(images)
    page.heading("Masks on images").images((_draw(splits, image), image.name) for image in examples)
    page.heading(f"What the network sees: crops of {imgsz} pixels, augmentation {augment!r}")
    for image in examples:
        page.images(_augmented_views(splits[image.split], image, augmented))
    _add_similar_images(page, splits, similar)
    page.write(file)
    return result


def _report_unopened(data: Dataset | str | os.PathLike[str], error: ValueError, page: Page, file: Path) -> Inspection:
    """Report the broken files of data that cannot be opened, and the error; raise the error where no file is broken."""
    if isinstance(data, Dataset) or not Path(data).exists():
        raise error
    findings = list(unusable_images(survey_files(Path(data))))
    if not findings:
        raise error
    # One of the broken files may be the reason that is known already.
    if str(error) not in [finding.text for finding in findings]:
        findings.insert(0, Finding("error", "reading", str(error)))
    page.text("The data cannot be opened before this is mended; then inspect them again.")
    page.findings((finding.level, finding.text) for finding in findings)
    return Inspection(page.write(file), {}, (), tuple(findings))


def _image_numbers(images: Mapping[str, int]) -> str:
    return ", ".join(f"{split}: {counted(number, 'image')}" for split, number in images.items())


def _open_splits(
    data: Dataset | str | os.PathLike[str], split: str | None, reading: Mapping[str, Any]
) -> dict[str, Dataset]:
    if isinstance(data, Dataset):
        return {data.split or "all": data}
    splits = (
        [split] if split else available_splits(data, reading.get("format"), reading.get("images"), reading.get("masks"))
    )
    opened: dict[str, Dataset] = {}
    for name in splits:
        opened[name] = read_dataset(data, split=name, **reading)
        # One range holds for all splits, as in training.
        reading = {**reading, "intensity": opened[name].intensity or reading.get("intensity")}
    return opened


def _class_rows(classes: Classes, images: list[SurveyedImage]) -> tuple[ClassRow, ...]:
    pixels, holders = np.zeros(len(classes), np.int64), np.zeros(len(classes), np.int64)
    for image in images:
        if image.class_pixels is not None and image.has_class is not None:
            pixels += image.class_pixels
            holders += image.has_class
    total = max(1, int(pixels.sum()))
    rows: list[ClassRow] = []
    for label, name in enumerate(classes.names):
        areas = object_areas_of(images, label)
        rows.append(
            {
                "class": name,
                "pixels": float(pixels[label] / total),
                "images": int(holders[label]),
                "objects": len(areas),
                "median area": int(np.median(areas)) if len(areas) else 0,
            }
        )
    return tuple(rows)


def _add_class_tables(page: Page, result: Inspection, images: list[SurveyedImage]) -> None:
    page.heading("Classes")
    header = ("class", "pixels", "images that hold it", "objects", "median area")
    rows: list[list[object]] = []
    for row in result._present():
        rows.append([row["class"], f"{row['pixels']:.2%}", row["images"], row["objects"], row["median area"]])
    page.table(header, rows)
    for line in result._absent():
        page.text(line)

    page.heading("Objects, by area in pixels")
    page.text("Objects are the countable ones; where nothing is countable, the connected components of each class.")
    rows = []
    for label, row in enumerate(result.classes):
        areas = object_areas_of(images, label)
        if len(areas):
            quantiles = np.quantile(areas, [0, 0.05, 0.5, 0.95, 1]).round().astype(int)
            rows.append([row["class"], *quantiles.tolist()])
    page.table(("class", "smallest", "5 %", "median", "95 %", "largest"), rows)


def _add_image_sizes(page: Page, images: list[SurveyedImage]) -> None:
    page.heading("Sizes of the images")
    sizes = Counter(image.size for image in images if image.size)
    most_frequent = sizes.most_common(MAX_SIZES)
    page.table(("width", "height", "images"), [[width, height, n] for (height, width), n in most_frequent])
    if len(sizes) > MAX_SIZES:
        page.text(f"The {MAX_SIZES} most frequent of {len(sizes)} sizes.")


def _add_similar_images(page: Page, splits: Mapping[str, Dataset], pairs: list[SimilarPair]) -> None:
    if pairs:
        page.heading("Alike in two splits")
    for earlier, image, correlation in pairs[:MAX_SHOWN]:
        page.images(
            [
                (_draw(splits, earlier), f"{earlier.name} ({earlier.split})"),
                (_draw(splits, image), f"{image.name} ({image.split}), {correlation:.1%} alike"),
            ]
        )


def _add_intensities(page: Page, splits: Mapping[str, Dataset], images: list[SurveyedImage]) -> None:
    """A histogram of the values of images of more than 8 bits, if there are any."""
    intensity = next(iter(splits.values())).intensity
    counts = total_counts(image.level_counts for image in images)
    if intensity is None or counts is None:
        return
    page.heading("Intensities of the images of more than 8 bits")
    page.text(f"Values {intensity.in_words()} become 0 to 255; what lies beyond is counted at the ends.")
    page.image(histogram(counts, intensity.limits))


def _choose_examples(images: list[SurveyedImage]) -> list[SurveyedImage]:
    """Some images of the first split with a mask, evenly spaced; only images with objects if there are any."""
    usable = [image for image in images if image.class_pixels is not None and image.split == images[0].split]
    with_objects = [image for image in usable if image.objects is not None and len(image.objects)]
    candidates = with_objects or usable
    if not candidates:
        return []
    chosen = np.unique(np.linspace(0, len(candidates) - 1, MAX_SHOWN).round().astype(int))
    return [candidates[k] for k in chosen]


def _draw(splits: Mapping[str, Dataset], image: SurveyedImage) -> Pixels:
    """The image, made smaller, with its ground truth where that can be read."""
    data = splits[image.split]
    if image.class_pixels is None:
        small = resize_sample(Sample(data.image(image.index)), Resizing(long_side=MAX_SIDE))
        return np.ascontiguousarray(small.image.permute(1, 2, 0).numpy())
    small = resize_sample(data[image.index], Resizing(long_side=MAX_SIDE))
    assert small.truth is not None
    return draw(small.image, small.truth)


def _augmented_views(data: Dataset, image: SurveyedImage, augmented: Augmentation) -> Iterator[tuple[Pixels, str]]:
    sample = data[image.index]
    for k in range(VIEWS):
        # Seeded by image and view: the page is the same each time.
        view = augmented(sample, np.random.default_rng((image.index, k)))
        assert view.truth is not None
        yield draw(view.image, view.truth, labels=False, legend=False), f"{image.name}, view {k + 1}"
