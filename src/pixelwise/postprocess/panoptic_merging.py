"""Merging a semantic and an instance result into one panoptic result, in which no pixel has two meanings.

The procedure of Kirillov et al. 2019, "Panoptic Segmentation" (1801.00868), section 7, with the limit on the area of
stuff that the panoptic API's script added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..classes import MAX_CLASSES, Classes, palette
from ..ops.names import check_keys, suggest
from ..segmentation import Segmentation

NO_SEGMENTS = ("background", "things")
"""Classes of these names are no stuff: their pixels stay void where no object lies."""

STUFF_AREA = 4096
"""Stuff that covers less of an image becomes void, in pixels; the panoptic API's, for images of 640x480."""

STUFF_SHARE = 640 * 480 // STUFF_AREA
"""So many times that area such an image has."""


@dataclass(frozen=True)
class MergeRules:
    """The rules of merging: `MergeRules()(semantic, instances)` is the panoptic result.

    Objects are taken the surest first. One is left out whole when too much of it is covered by those before it, and
    then it covers nothing; otherwise it gets the pixels that are still free. Stuff gets what no object covers.

    Attributes:
        score: objects less sure than this are left out; exactly as sure is sure enough.
        overlap: an object is left out when more than this share of its own pixels is covered already.
        stuff_area: a class of stuff that covers fewer pixels of the image than this, without those of objects,
            becomes void. When not given 4096, and at most a 75th of the image, which 4096 is of 640x480.
        keep_things: whether what the semantic result holds of things, where no object lies, is one segment a class, as
            if it were stuff; it is void otherwise.

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
        """One panoptic result, which has `ids`: objects in the order in which they were taken, then stuff.

        Classes are the same when they have the same name. Void of the semantic result stays void where no object lies.

        Args:
            semantic: a semantic result; or a class map, (H, W) of whole numbers; or class probabilities, (C, H, W).
            instances: of the same image; equally sure objects are taken in their order.
            semantic_classes: what the numbers of a class map or the channels of probabilities mean; `classes` when not
                given.
            classes: of the result; `join_classes` of the two when not given.

        Returns:
            Each segment with its confidence: the score of the object; of stuff, the mean probability over its pixels,
            or the score that the semantic result has for the class, or 1 of a class map.

        Raises:
            ValueError: the two are not of the same size, or hold classes that the result does not have.
        """
        numbers, labels, scores, said = _semantic(semantic, semantic_classes or classes)
        if numbers.shape != instances.size:
            (h, w), (ih, iw) = numbers.shape, instances.size
            raise ValueError(f"the semantic result is {w}x{h}, but the instances are {iw}x{ih}: they must agree")
        if classes is None:
            classes = join_classes(said, instances.classes)
        places = [_places(said, classes)[label] for label in labels]
        things = _places(instances.classes, classes, instances.classes.background)
        canvas, taken = self._objects(instances, things)
        rest = torch.from_numpy(numbers.cpu().numpy() * (canvas == 0))
        areas = torch.bincount(rest.flatten(), minlength=len(labels) + 1)[1:]
        if scores.ndim == 2:
            total = torch.bincount(rest.flatten(), scores.flatten().cpu().double(), len(labels) + 1)[1:]
            scores = (total / areas.clamp(min=1)).float().clamp(0, 1)
        stays = [place >= 0 and (self.keep_things or not classes.things[place]) for place in places]
        least = min(STUFF_AREA, rest.numel() // STUFF_SHARE) if self.stuff_area is None else self.stuff_area
        stuff = [n for n, area in enumerate(areas.tolist()) if area >= max(1, least) and stays[n]]
        table = np.zeros(256, np.int32)
        table[[n + 1 for n in stuff]] = np.arange(len(stuff)) + len(taken) + 1
        ids = torch.from_numpy(cv2.LUT(rest.numpy(), table) + canvas)
        found = [*(things[label] for label in instances.labels[taken].tolist()), *(places[n] for n in stuff)]
        sure = torch.cat([instances.scores.cpu()[taken], scores.cpu()[stuff]])
        result = Segmentation(classes, torch.tensor(found, dtype=torch.int64), sure, ids=ids)
        return result.to(numbers.device)

    def _objects(self, instances: Segmentation, places: Sequence[int]) -> tuple[NDArray[Any], list[int]]:
        """(H, W): 1, 2, … where the objects lie that are taken; and which these are."""
        masks, labels = instances.as_masks().to("cpu"), instances.labels.tolist()
        areas, sure = masks.areas().tolist(), (instances.scores >= self.score).tolist()
        order = torch.argsort(instances.scores.cpu(), stable=True, descending=True).tolist()
        wanted = [n for n in order if areas[n] and sure[n] and places[labels[n]] >= 0]
        # The smallest numbers that will do are the fastest.
        canvas, taken = np.zeros(instances.size, np.uint8 if len(wanted) < 256 else np.int32), []
        for n in wanted:
            crop, (x, y) = masks.crop(n)
            below = canvas[y : y + crop.shape[0], x : x + crop.shape[1]]
            free = crop.numpy() & (below == 0)
            left = np.count_nonzero(free)
            if left and (areas[n] - left) / areas[n] <= self.overlap:
                taken.append(n)
                below += free * canvas.dtype.type(len(taken))
        return canvas, taken

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> MergeRules:
        """The rules of plain values; what is not given is as by default.

        Raises:
            ValueError: for a key that there is not, naming the nearest one; for a value that makes no sense.
        """
        check_keys(record, cls, "merging has no rule")
        return cls(**record)

    @classmethod
    def named(cls, name: str) -> MergeRules:
        """The rules of a name in `RULES`; a ValueError names the nearest one."""
        if name not in RULES:
            raise ValueError(f"there are no rules of merging called {name!r}: {suggest(name, RULES)}")
        return RULES[name]


RULES = {
    # combine_semantic_and_instance_predictions.py: its arguments' defaults
    "panopticapi": MergeRules(score=0.5, overlap=0.5, stuff_area=STUFF_AREA),
    # combine_semantic_and_instance_outputs, with the values of its configuration; what the script says, in tensors
    "detectron2": MergeRules(score=0.5, overlap=0.5, stuff_area=STUFF_AREA),
}
"""The rules of others, by name."""


def join_classes(semantic: Classes, instance: Classes) -> Classes:
    """The classes of a panoptic result: those of the semantic model, and the objects that it does not know.

    Things are what the instance model finds; of the rest one segment a class is all that can be told. The class
    "things" of either is left out, and so is the background of the instance model. A colour that is taken is exchanged.
    """
    objects = {
        name: color
        for k, (name, color) in enumerate(zip(instance.names, instance.colors, strict=True))
        if k != instance.background and name not in NO_SEGMENTS
    }
    known = [k for k, name in enumerate(semantic.names) if name != "things"]
    names = [semantic.names[k] for k in known]
    colors = [semantic.colors[k] for k in known]
    things = [name in objects for name in names]
    for name, color in objects.items():
        if name not in names:
            names.append(name)
            colors.append(next(one for one in (color, *palette(len(names))) if one not in colors))
            things.append(True)
    background = None if semantic.background is None else semantic.names[semantic.background]
    return Classes(tuple(names), tuple(colors), tuple(things), names.index(background) if background in names else None)


def _semantic(found: Segmentation | Tensor, classes: Classes | None) -> tuple[Tensor, list[int], Tensor, Classes]:
    """(H, W) uint8: n + 1 where segment n lies; the labels; the scores, (N,) or of each pixel (H, W); the classes."""
    scores = None
    if isinstance(found, Tensor):
        if classes is None:
            raise ValueError("say what the classes of the semantic result are: semantic_classes=Classes((…))")
        if found.is_floating_point():
            if found.ndim != 3 or len(found) != len(classes):
                raise ValueError(f"probabilities are ({len(classes)}, H, W), not {tuple(found.shape)}")
            scores, found = found.max(0)
        found = Segmentation.from_class_map(found, classes)
    if len(found) > MAX_CLASSES:
        raise ValueError(f"a semantic result has one segment a class, at most {MAX_CLASSES}, not {len(found)}")
    numbers = found.panoptic_map().to(torch.uint8)
    return numbers, found.labels.tolist(), found.scores if scores is None else scores, found.classes


def _places(said: Classes, classes: Classes, left_out: int | None = None) -> list[int]:
    """The index of each class among those of the result; −1 for what is no segment."""
    missing = [n for k, n in enumerate(said.names) if k != left_out and n not in (*NO_SEGMENTS, *classes.names)]
    if missing:
        raise ValueError(
            f"the panoptic result has no class for {', '.join(missing)}: it has {', '.join(classes.names)}"
        )
    return [-1 if k == left_out or name in NO_SEGMENTS else classes.index(name) for k, name in enumerate(said.names)]
