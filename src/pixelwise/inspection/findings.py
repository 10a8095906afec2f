"""Findings about a data set: problems and notable facts in words, with the reason and what to do about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ..classes import Classes
from ..data.dataset import Dataset, Fault
from ..ops.phrases import counted, few
from ..types import Array
from .duplicates import SimilarPair, find_equal_images
from .intensities import MIN_SHARE, share_of_range
from .survey import SurveyedImage, object_areas_of

MAX_LISTED = 20
"""Number of images with errors that are described one by one; the others share a finding."""

LEVELS = ("error", "warning", "note")

TINY_AREA = 16
"""Objects of fewer pixels are tiny: 4×4 pixels are a cell of the coarsest grids that networks work on."""

MAX_SPECKS = 50
"""A class with more objects per image, most of them tiny, is taken for void that nobody declared."""

RARE_SHARE = 0.01
"""Classes with a smaller share of the pixels are rare."""

TOO_MANY_TINY = 0.01
"""A larger share of tiny objects is a warning rather than a note."""


@dataclass(frozen=True)
class Finding:
    """A problem of the data, or a fact that is worth knowing.

    Attributes:
        level: "error" (the data cannot be used as they are, or scores would be wrong), "warning" or "note".
        kind: the kind of finding, in one word.
        text: the finding, and what to do about it.
        images: the names of the images concerned, after their split.
    """

    level: str
    kind: str
    text: str
    images: tuple[str, ...] = ()


def all_findings(
    splits: Mapping[str, Dataset], images: Sequence[SurveyedImage], similar: Sequence[SimilarPair], imgsz: int
) -> tuple[Finding, ...]:
    """All findings about a data set, errors first.

    Args:
        splits: the data of each split.
        images: the result of `survey`.
        similar: the result of `find_similar_images`.
        imgsz: side of the training crops, pixels.
    """
    classes = next(iter(splits.values())).classes
    with_mask = [image for image in images if image.class_pixels is not None]
    findings = [
        *unusable_images(images),
        *_faults(images),
        *_equal_images(images),
        *_similar_images(similar),
        *_images_without_objects(classes, with_mask),
        *_absent_classes(classes, splits, with_mask),
        *_crowds(splits, with_mask),
        *_rare_classes(classes, with_mask),
        *_specks(classes, images, len(with_mask)),
        *_tiny_objects(images),
        *_small_images(images, imgsz),
        *_dull_images(splits, images),
    ]
    notes = dict.fromkeys(note for data in splits.values() for note in data.notes)
    findings += [Finding("note", "reading", note) for note in notes]
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def unusable_images(images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    """Images and masks that cannot be used: the first few one by one, the others together."""
    unusable = [image for image in images if image.problem]
    for image in unusable[:MAX_LISTED]:
        yield _about("error", image.problem, image.message, [image])
    others = unusable[MAX_LISTED:]
    if others:
        text = f"{len(others)} more cannot be read, or have no mask or one that does not fit: {_names(others)}"
        yield _about("error", "unreadable", text, others)


def _faults(images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    """Contradictions in annotations: the first few errors of each kind one by one, the others together."""
    by_kind: dict[str, list[tuple[SurveyedImage, Fault]]] = {}
    for image in images:
        for fault in image.faults:
            by_kind.setdefault(fault.kind, []).append((image, fault))
    for kind, faults in by_kind.items():
        listed = MAX_LISTED if faults[0][1].level == "error" else 1
        others = [image for image, _ in faults[listed:]]
        for image, fault in faults[: listed if not others else listed - 1]:
            yield _about(fault.level, kind, fault.text, [image])
        if others:
            image, fault = faults[listed - 1]
            text = f"{fault.text}. So in {counted(len(others), 'more image')}: {_names(others)}"
            yield _about(fault.level, kind, text, [image, *others])


def _equal_images(images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    """Images that occur twice, across splits and within a split."""
    groups = find_equal_images(images)
    across = [group for group in groups if not _is_in_one_split(group)]
    within = [group for group in groups if _is_in_one_split(group)]
    if across:
        text = _describe_equal_images(across, "in more than one split")
        text += ": scores on them say nothing; keep each in one split only"
        yield _about("error", "duplicate", text, _flat(across))
    if within:
        text = _describe_equal_images(within, "more than once in a split")
        text += ": they count twice; keep one of each"
        yield _about("warning", "duplicate", text, _flat(within))


def _is_in_one_split(images: Sequence[SurveyedImage]) -> bool:
    return all(image.split == images[0].split for image in images)


def _describe_equal_images(groups: Sequence[Sequence[SurveyedImage]], where: str) -> str:
    different = sum(_has_different_masks(group) for group in groups)
    masks = f" ({different} of them with different masks)" if different else ""
    listed = _first_few(" = ".join(map(_name_and_split, group)) for group in groups)
    return f"{counted(len(groups), 'image is', 'images are')} {where}{masks}: {listed}. Their pixels are equal"


def _has_different_masks(group: Sequence[SurveyedImage]) -> bool:
    # Masks are not kept: those with equal numbers of pixels of each class count as equal.
    contents = {None if image.class_pixels is None else image.class_pixels.tobytes() for image in group}
    return len(contents) > 1


def _flat(groups: Sequence[Sequence[SurveyedImage]]) -> list[SurveyedImage]:
    return [image for group in groups for image in group]


def _similar_images(pairs: Sequence[SimilarPair]) -> Iterator[Finding]:
    if not pairs:
        return
    listed = _first_few(f"{_name_and_split(pair.earlier)} ~ {_name_and_split(pair.image)}" for pair in pairs)
    text = (
        f"{counted(len(pairs), 'image looks', 'images look')} like one of an earlier split: {listed}. If they show the "
        "same scene, scores on them are too good; keep such images in one split"
    )
    yield _about("warning", "alike", text, [pair.image for pair in pairs])


def _images_without_objects(classes: Classes, images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    """Images that are void everywhere, and images that are only background."""
    void, empty = [], []
    for image in images:
        pixels = _class_pixels(image)
        if not pixels.any():
            void.append(image)
        elif classes.background is not None and not np.delete(pixels, classes.background).any():
            empty.append(image)
    if void:
        number = counted(len(void), "image teaches nothing", "images teach nothing")
        yield _about("warning", "void", f"{number}, void everywhere: {_names(void)}. Better left out", void)
    if empty:
        text = (
            f"no object is in {len(empty)} of {counted(len(images), 'image')}: {_names(empty)}. "
            "That is fine if it is true (they teach what is not an object); if not, their masks are missing"
        )
        yield _about("warning" if len(empty) > len(images) / 2 else "note", "empty", text, empty)


def _absent_classes(classes: Classes, splits: Iterable[str], images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    """Classes that no image of a split holds."""
    for split in splits:
        is_present = np.zeros(len(classes), bool)
        for image in images:
            if image.split == split and image.has_class is not None:
                is_present |= image.has_class
        absent = [name for name, present in zip(classes.names, is_present, strict=True) if not present]
        if absent:
            fix = "they cannot be learnt" if split == "train" else "nothing can be said of them there"
            text = f"no pixel in {split} is {few(absent)}: {fix}; leave out the class or add images"
            yield Finding("warning", "absent", text)


def _crowds(splits: Iterable[str], images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    """Splits whose annotations are crowds, all or most of them."""
    for split in splits:
        concerned = [image for image in images if image.split == split and image.crowds]
        crowds = sum(image.crowds for image in concerned)
        objects = 0
        for image in images:
            if image.split == split and image.objects is not None:
                objects += len(image.objects)
        if crowds > objects:
            share = f"all {crowds}" if not objects else f"{crowds} of {crowds + objects}"
            effect = "methods that find objects learn nothing from them"
            if split != "train":
                effect += ", and no score counts them"
            text = (
                f"{share} annotations in {split} are crowds (iscrowd 1): {effect}. CVAT marks what is drawn with its "
                "brush as a crowd: set iscrowd to 0 in the JSON where an annotation is one object"
            )
            yield _about("warning", "crowd", text, concerned)


def _rare_classes(classes: Classes, images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    """Classes with few pixels."""
    totals = np.zeros(len(classes))
    for image in images:
        totals += _class_pixels(image)
    shares = totals / max(1, totals.sum())
    rare = [f"{name} {share:.2%}" for name, share in zip(classes.names, shares, strict=True) if 0 < share < RARE_SHARE]
    if rare:
        text = f"rare by pixels: {few(rare)}. Training with --balance rare draws images that hold them more often"
        yield Finding("note", "rare", text)


def _specks(classes: Classes, images: Sequence[SurveyedImage], with_mask: int) -> Iterator[Finding]:
    """Classes that look like void, such as the borders between objects."""
    for label, name in enumerate(classes.names):
        areas = object_areas_of(images, label)
        if len(areas) > MAX_SPECKS * with_mask and np.median(areas) < TINY_AREA:
            text = (
                f"{name!r} lies in specks, {len(areas) / with_mask:.0f} an image, half of them of "
                f"{np.median(areas):.0f} pixels or fewer, as borders and unlabelled pixels do: if it means nothing, "
                "declare its value --void"
            )
            yield Finding("warning", "specks", text)


def _tiny_objects(images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    areas_of = [(image, image.objects[:, 1]) for image in images if image.objects is not None]
    concerned = [image for image, areas in areas_of if (areas < TINY_AREA).any()]
    if not concerned:
        return
    all_areas = np.concatenate([areas for _, areas in areas_of])
    tiny = int((all_areas < TINY_AREA).sum())
    share = tiny / len(all_areas)
    text = (
        f"{tiny} of {counted(len(all_areas), 'object')} ({share:.1%}) {'has' if tiny == 1 else 'have'} fewer than "
        f"{TINY_AREA} pixels: {_names(concerned)}. Remove them if they are slips of the brush; else enlarge the images "
        "(--resize)"
    )
    yield _about("warning" if tiny > TOO_MANY_TINY * len(all_areas) else "note", "tiny", text, concerned)


def _small_images(images: Sequence[SurveyedImage], imgsz: int) -> Iterator[Finding]:
    small = [image for image in images if image.size and min(image.size) < imgsz]
    if small:
        text = (
            f"{counted(len(small), 'image has', 'images have')} a side shorter than the training crop of {imgsz} "
            f"pixels: {_names(small)}. They are padded with void; a smaller --imgsz or a larger --resize wastes less"
        )
        yield _about("note", "small", text, small)


def _dull_images(splits: Mapping[str, Dataset], images: Sequence[SurveyedImage]) -> Iterator[Finding]:
    """Images of more than 8 bits whose values lie close together within the range of the data set."""
    dull = []
    for image in images:
        if image.level_counts is not None and share_of_range(image.level_counts) < MIN_SHARE:
            dull.append(image)
    if dull:
        intensity = splits[dull[0].split].intensity
        assert intensity is not None
        text = (
            f"{counted(len(dull), 'image uses', 'images use')} less than {MIN_SHARE:.0%} of the range of values, "
            f"{intensity.in_words()}: {_names(dull)}. The network sees little contrast there; give such images to a "
            "data set of their own, or state another --range"
        )
        yield _about("warning", "contrast", text, dull)


def _class_pixels(image: SurveyedImage) -> Array:
    assert image.class_pixels is not None
    return image.class_pixels


def _name_and_split(image: SurveyedImage) -> str:
    return f"{image.name} ({image.split})"


def _names(images: Iterable[SurveyedImage]) -> str:
    return _first_few(image.name for image in images)


def _first_few(texts: Iterable[str]) -> str:
    first = list(islice(texts, 4))
    return ", ".join(first[:3]) + (", …" if len(first) > 3 else "")


def _about(level: str, kind: str, text: str, images: Iterable[SurveyedImage]) -> Finding:
    return Finding(level, kind, text, tuple(f"{image.split}: {image.name}" for image in images))
