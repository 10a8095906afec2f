"""Merging a semantic and an instance prediction into one panoptic prediction, in which each pixel has one segment.

The procedure of Kirillov et al. 2019, "Panoptic Segmentation" (1801.00868), section 7, with the limit on the area of
stuff that the script of the panoptic API added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..classes import MAX_CLASSES, Classes, palette
from ..ops.names import check_keys, suggest
from ..segmentation import Segmentation

NO_SEGMENTS = ("background", "things")
"""The names of classes that are not stuff: their pixels stay void where there is no object."""

STUFF_AREA = 4096
"""The smallest area of stuff, in pixels; less becomes void. The value of the panoptic API, for images of 640x480."""

STUFF_SHARE = 640 * 480 // STUFF_AREA
"""The area of such an image as a multiple of `STUFF_AREA`."""


@dataclass(frozen=True)
class MergeRules:
    """The rules of merging: `MergeRules()(semantic, instances)` is the panoptic prediction.

    Objects are added by descending confidence score. An object of which too many pixels are covered by earlier ones is
    left out entirely, and covers nothing; otherwise it gets the pixels that are still free. Stuff gets the pixels that
    no object covers.

    Attributes:
        score: the score threshold: objects with a lower confidence score are left out.
        overlap: an object is left out if more than this share of its own pixels is covered already.
        stuff_area: a class of stuff that covers fewer pixels of the image, not counting those of objects, becomes
            void. By default 4096, and at most a 75th of the image, as 4096 pixels are of 640x480.
        keep_things: whether pixels that the semantic prediction gives to a thing, and that no object covers, become one
            segment of that class, as if it were stuff; otherwise they are void.

    Raises:
        ValueError: for a share outside 0 to 1, for a negative area.
    """

    score: float = 0.5
    overlap: float = 0.5
    stuff_area: int | None = None
    keep_things: bool = False

    def __post_init__(self) -> None:
        for name in ("score", "overlap"):
            if isinstance(share := getattr(self, name), bool) or not 0 <= share <= 1:
                raise ValueError(f"{name} is {share!r}: it is a share from 0 to 1")
        area = self.stuff_area
        if area is not None and (isinstance(area, bool) or not isinstance(area, int) or area < 0):
            raise ValueError(f"stuff_area is {area!r}: it is a whole number of pixels, 0 for no limit")
        if not isinstance(self.keep_things, bool):
            raise ValueError(f"keep_things is {self.keep_things!r}: it must be true or false")

    def __call__(
        self,
        semantic: Segmentation | Tensor,
        instances: Segmentation,
        *,
        semantic_classes: Classes | None = None,
        classes: Classes | None = None,
    ) -> Segmentation:
        """Merge the predictions of one image.

        Classes are the same if they have the same name. Void of the semantic prediction stays void where no object
        lies.

        Args:
            semantic: a semantic prediction; or a class map, (H, W) integers; or class probabilities, (C, H, W).
            instances: an instance prediction; objects with equal scores are added in their order.
            semantic_classes: the classes of a class map or of the channels of probabilities; by default `classes`.
            classes: the classes of the result; by default `join_classes` of the two.

        Returns:
            A segmentation with `ids`: objects in the order in which they were added, then stuff. The score of an object
            is that of the instance; the score of stuff is the mean probability over its pixels, or the score that the
            semantic prediction has for the class, or 1 for a class map.

        Raises:
            ValueError: if the two differ in size, or hold classes that the result does not have.
        """
        stuff = _read_semantic(semantic, semantic_classes or classes)
        if stuff.numbers.shape != instances.size:
            (h, w), (ih, iw) = stuff.numbers.shape, instances.size
            raise ValueError(f"the semantic result is {w}x{h}, but the instances are {iw}x{ih}: they must agree")
        if classes is None:
            classes = join_classes(stuff.classes, instances.classes)
        stuff_labels = _map_labels(stuff.classes, classes)
        thing_labels = _map_labels(instances.classes, classes, instances.classes.background)
        canvas, added = self._add_objects(instances, thing_labels)
        uncovered = torch.from_numpy(stuff.numbers.cpu().numpy() * (canvas == 0))
        areas = torch.bincount(uncovered.flatten(), minlength=len(stuff.labels) + 1)[1:]
        kept = self._kept_stuff(areas.tolist(), [stuff_labels[label] for label in stuff.labels], classes, canvas.size)
        # A look-up table turns the number of each kept segment into the next id after the objects, others into 0.
        table = np.zeros(256, np.int32)
        table[[n + 1 for n in kept]] = np.arange(len(kept)) + len(added) + 1
        ids = torch.from_numpy(cv2.LUT(uncovered.numpy(), table) + canvas)
        labels = [thing_labels[label] for label in instances.labels[added].tolist()]
        labels += [stuff_labels[stuff.labels[n]] for n in kept]
        scores = torch.cat([instances.scores.cpu()[added], _stuff_scores(stuff, uncovered, areas)[kept]])
        result = Segmentation(classes, torch.tensor(labels, dtype=torch.int64), scores, ids=ids)
        return result.to(stuff.numbers.device)

    def _add_objects(self, instances: Segmentation, labels: Sequence[int]) -> tuple[NDArray[Any], list[int]]:
        """Draw the objects by descending score.

        Args:
            instances: the objects.
            labels: the label in the result of each of their classes, -1 for those that are left out.

        Returns:
            (H, W): 1, 2, … where the objects lie that were added; and the indices of these.
        """
        masks, classes = instances.as_masks().to("cpu"), instances.labels.tolist()
        areas, sufficient = masks.areas().tolist(), (instances.scores >= self.score).tolist()
        order = torch.argsort(instances.scores.cpu(), stable=True, descending=True).tolist()
        candidates = [n for n in order if areas[n] and sufficient[n] and labels[classes[n]] >= 0]
        # The narrowest integers that suffice are the fastest.
        canvas = np.zeros(instances.size, np.uint8 if len(candidates) < 256 else np.int32)
        added: list[int] = []
        for n in candidates:
            crop, (x, y) = masks.crop(n)
            below = canvas[y : y + crop.shape[0], x : x + crop.shape[1]]
            free = crop.numpy() & (below == 0)
            left = np.count_nonzero(free)
            if left and (areas[n] - left) / areas[n] <= self.overlap:
                added.append(n)
                below += free * canvas.dtype.type(len(added))
        return canvas, added

    def _kept_stuff(self, areas: Sequence[int], labels: Sequence[int], classes: Classes, pixels: int) -> list[int]:
        """Select the segments of the semantic prediction that are large enough, and stuff.

        Args:
            areas: of each segment the pixels that no object covers.
            labels: its label in the result, -1 for none.
            classes: the classes of the result.
            pixels: the number of pixels of the image.
        """
        min_area = min(STUFF_AREA, pixels // STUFF_SHARE) if self.stuff_area is None else self.stuff_area
        kept = []
        for n, (area, label) in enumerate(zip(areas, labels, strict=True)):
            is_segment = label >= 0 and (self.keep_things or not classes.things[label])
            if is_segment and area >= max(1, min_area):
                kept.append(n)
        return kept

    def to_dict(self) -> dict[str, Any]:
        """Return the rules as plain values for YAML and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> MergeRules:
        """Make rules from plain values; keys that are missing have their defaults.

        Raises:
            ValueError: for an unknown key, with a suggestion; for an invalid value.
        """
        check_keys(record, cls, "merging has no rule")
        return cls(**record)

    @classmethod
    def named(cls, name: str) -> MergeRules:
        """Return the rules of a name in `RULES`.

        Raises:
            ValueError: for an unknown name, with a suggestion.
        """
        if name not in RULES:
            raise ValueError(f"there are no rules of merging called {name!r}: {suggest(name, RULES)}")
        return RULES[name]


RULES = {
    # combine_semantic_and_instance_predictions.py: the defaults of its arguments
    "panopticapi": MergeRules(score=0.5, overlap=0.5, stuff_area=STUFF_AREA),
    # combine_semantic_and_instance_outputs with its default configuration: the script's procedure on tensors
    "detectron2": MergeRules(score=0.5, overlap=0.5, stuff_area=STUFF_AREA),
}
"""The rules of other programs by name."""


class _Semantic(NamedTuple):
    """A semantic prediction in one form.

    Attributes:
        numbers: (H, W) uint8; n + 1 where segment n lies, 0 for void.
        labels: the label of each segment.
        scores: the score of each segment, (N,); or the probability of each pixel, (H, W).
        classes: the classes of the labels.
    """

    numbers: Tensor
    labels: list[int]
    scores: Tensor
    classes: Classes


def join_classes(semantic: Classes, instance: Classes) -> Classes:
    """Return the classes of a panoptic prediction: those of the semantic model, then objects that it does not know.

    The classes of the instance model are things; each other class is stuff. The class "things" of either model is left
    out, and so is the background of the instance model. A colour that is in use already is replaced by another.
    """
    objects = {}
    for k, name in enumerate(instance.names):
        if k != instance.background and name not in NO_SEGMENTS:
            objects[name] = instance.colors[k]
    names, colors, things = [], [], []
    for name, color in zip(semantic.names, semantic.colors, strict=True):
        if name != "things":
            names.append(name)
            colors.append(color)
            things.append(name in objects)
    for name, color in objects.items():
        if name not in names:
            names.append(name)
            colors.append(next(one for one in (color, *palette(len(names))) if one not in colors))
            things.append(True)
    background = None
    if semantic.background is not None and semantic.names[semantic.background] in names:
        background = names.index(semantic.names[semantic.background])
    return Classes(tuple(names), tuple(colors), tuple(things), background)


def _read_semantic(semantic: Segmentation | Tensor, classes: Classes | None) -> _Semantic:
    """Bring a semantic prediction, a class map or probabilities into one form.

    Raises:
        ValueError: if the classes are missing or do not fit, or a class has several segments.
    """
    probabilities = None
    if isinstance(semantic, Tensor):
        if classes is None:
            raise ValueError("state the classes of the semantic result: semantic_classes=Classes((…))")
        if semantic.is_floating_point():
            if semantic.ndim != 3 or len(semantic) != len(classes):
                raise ValueError(f"probabilities are ({len(classes)}, H, W), not {tuple(semantic.shape)}")
            probabilities, semantic = semantic.max(0)
        semantic = Segmentation.from_class_map(semantic, classes)
    if len(semantic) > MAX_CLASSES:
        raise ValueError(f"a semantic result has one segment a class, at most {MAX_CLASSES}, not {len(semantic)}")
    scores = semantic.scores if probabilities is None else probabilities
    return _Semantic(semantic.panoptic_map().to(torch.uint8), semantic.labels.tolist(), scores, semantic.classes)


def _stuff_scores(stuff: _Semantic, uncovered: Tensor, areas: Tensor) -> Tensor:
    """Return the score of each segment, (N,): its own, or the mean probability over its uncovered pixels."""
    if stuff.scores.ndim != 2:
        return stuff.scores.cpu()
    total = torch.bincount(uncovered.flatten(), stuff.scores.flatten().cpu().double(), len(areas) + 1)[1:]
    return (total / areas.clamp(min=1)).float().clamp(0, 1)


def _map_labels(source: Classes, classes: Classes, left_out: int | None = None) -> list[int]:
    """Return the label in the result of each class of a source; -1 for classes that are no segments.

    Raises:
        ValueError: if the result does not have a class of the source.
    """
    labels, missing = [], []
    for k, name in enumerate(source.names):
        if k == left_out or name in NO_SEGMENTS:
            labels.append(-1)
        elif name in classes.names:
            labels.append(classes.index(name))
        else:
            missing.append(name)
    if missing:
        raise ValueError(
            f"the panoptic result has no class for {', '.join(missing)}: it has {', '.join(classes.names)}"
        )
    return labels
