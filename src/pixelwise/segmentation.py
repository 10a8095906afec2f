"""Segmentation of one image, predicted or ground truth: the one type that models, metrics, drawing and files share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .classes import MAX_CLASSES, VOID, Classes
from .masks import Masks
from .types import Size


@dataclass(frozen=True, eq=False, init=False)
class Segmentation:
    """N segments of one image.

    The pixels are given in exactly one of two ways: as `ids`, where segments cannot overlap, or as `masks`, where they
    may. A semantic segmentation has one segment for each class in the image, a panoptic one may have several, an
    instance segmentation has `masks`.

    Attributes:
        classes: the classes that the labels number.
        labels: (N,) int64, index into `classes`.
        scores: (N,) float32, confidence scores in [0, 1]; ones when not given, as for ground truth.
        ids: (H, W) int32; n + 1 for the pixels of segment n, and 0 for void.
        masks: N masks, stored as runs of pixels; they may also be given as (N, H, W) bool, as `masks.dense()` returns.
        crowd: (N,) bool, ground truth only: regions with too many objects to tell apart; none when not given.

    Raises:
        TypeError: for a tensor of another dtype.
        ValueError: for both ids and masks or neither, for another shape, for a label or an id that does not exist.
    """

    classes: Classes
    labels: Tensor
    scores: Tensor
    ids: Tensor | None
    masks: Masks | None
    crowd: Tensor

    def __init__(
        self,
        classes: Classes,
        labels: Tensor,
        scores: Tensor | None = None,
        ids: Tensor | None = None,
        masks: Masks | Tensor | None = None,
        crowd: Tensor | None = None,
    ) -> None:
        _check("labels", labels, torch.int64, 1)
        number, device = len(labels), labels.device
        if (ids is None) == (masks is None):
            raise ValueError("give either ids (segments that cannot overlap) or masks (that may), not both or neither")
        if masks is not None and not isinstance(masks, Masks):
            _check("masks", masks, torch.bool, 3)
            masks = Masks.from_dense(masks)
        fields = {
            "classes": classes,
            "labels": labels,
            "scores": torch.ones(number, device=device) if scores is None else scores,
            "ids": ids,
            "masks": masks,
            "crowd": torch.zeros(number, dtype=torch.bool, device=device) if crowd is None else crowd,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)  # a frozen dataclass can be written in no other way
        self._check_values()

    def _check_values(self) -> None:
        number = len(self)
        for name, values, dtype in (("scores", self.scores, torch.float32), ("crowd", self.crowd, torch.bool)):
            _check(name, values, dtype, 1)
            if len(values) != number:
                raise ValueError(f"{len(values)} {name} for {number} labels: give one for each segment")
        if number and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise ValueError(
                f"labels run from {int(self.labels.min())} to {int(self.labels.max())}, "
                f"but the {len(self.classes)} classes are numbered 0 to {len(self.classes) - 1}"
            )
        if self.ids is not None:
            _check("ids", self.ids, torch.int32, 2)
            low, high = _range(self.ids)
            if low < 0 or high > number:
                raise ValueError(f"ids run from {low} to {high}, but {number} segments have the ids 1 to {number}")
        if self.masks is not None and len(self.masks) != number:
            raise ValueError(f"{len(self.masks)} masks for {number} labels: give one for each segment")

    @classmethod
    def from_class_map(cls, class_map: Tensor, classes: Classes) -> Segmentation:
        """One segment for each class in a class map, in the order of the classes.

        Args:
            class_map: (H, W), any integer dtype; class indices, and 255 for void.
            classes: the classes that the indices number.

        Raises:
            ValueError: for another shape or dtype, and for an index that is no class.
        """
        if class_map.ndim != 2 or class_map.is_floating_point():
            raise ValueError(f"a class map is (H, W) of integers, not {tuple(class_map.shape)} of {class_map.dtype}")
        low, high = _range(class_map)
        if low < 0 or high > VOID:
            raise ValueError(f"a class map holds 0 to {VOID}, not {low} to {high}")
        class_map = class_map.to(torch.uint8)
        present = torch.bincount(class_map.flatten(), minlength=VOID + 1)[:VOID].nonzero().flatten()
        if len(present) and int(present[-1]) >= len(classes):
            raise ValueError(
                f"the class map holds class {int(present[-1])}, "
                f"but the {len(classes)} classes are numbered 0 to {len(classes) - 1}; 255 is void"
            )
        table = torch.zeros(VOID + 1, dtype=torch.int32, device=class_map.device)
        table[present] = torch.arange(1, len(present) + 1, dtype=torch.int32, device=class_map.device)
        return cls(classes, present, ids=table[class_map.int()])

    def __len__(self) -> int:
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        """True if all tensors are equal, and both have ids or both have masks."""
        if not isinstance(other, Segmentation):
            return NotImplemented
        if self.classes != other.classes or self.masks != other.masks:
            return False
        # Where the masks are equal, either both segmentations have ids or neither has.
        if self.ids is not None and other.ids is not None and not torch.equal(self.ids, other.ids):
            return False
        return all(torch.equal(getattr(self, name), getattr(other, name)) for name in ("labels", "scores", "crowd"))

    __hash__ = None  # type: ignore[assignment]

    @property
    def size(self) -> Size:
        """Height and width of the image, pixels."""
        if self.masks is not None:
            return self.masks.size
        assert self.ids is not None
        return self.ids.shape[0], self.ids.shape[1]

    def mask(self, n: int) -> Tensor:
        """(H, W) bool: the pixels of segment n."""
        if not 0 <= n < len(self):
            raise IndexError(f"there is no segment {n}: there are {len(self)}, counted from 0")
        return self.masks[n] if self.masks is not None else self.panoptic_map() == n + 1

    def as_masks(self) -> Masks:
        """The segments as `Masks`, which have crops, bounding boxes and run lengths."""
        if self.masks is not None:
            return self.masks
        assert self.ids is not None
        return Masks.from_ids([self.ids], len(self), self.size)

    def areas(self) -> Tensor:
        """(N,) int64: the number of pixels of each segment."""
        if self.masks is not None:
            return self.masks.areas()
        assert self.ids is not None
        return torch.bincount(self.ids.flatten(), minlength=len(self) + 1)[1:]

    def boxes(self) -> Tensor:
        """(N, 4) float32: bounding boxes x1 y1 x2 y2 of the edges of the pixels; zeros for an empty segment."""
        return self.as_masks().boxes().float()

    def panoptic_map(self) -> Tensor:
        """(H, W) int32: n + 1 for the pixels of segment n, 0 elsewhere; where masks overlap, the highest score wins."""
        if self.ids is not None:
            return self.ids
        assert self.masks is not None
        # Painted from the lowest score to the highest; of equal scores, the first segment comes last and is on top.
        order = torch.argsort(self.scores, stable=True, descending=True).flip(0)
        return self.masks.painted(order.tolist())

    def class_map(self) -> Tensor:
        """(H, W) uint8: the class of each pixel.

        Pixels without a segment are void (255), or background if the segments are `masks` and the classes have one.

        Raises:
            ValueError: there are more classes than fit into 8 bits.
        """
        if len(self.classes) > MAX_CLASSES:
            raise ValueError(f"a class map holds at most {MAX_CLASSES} classes, not {len(self.classes)}")
        uncovered = VOID
        if self.masks is not None and self.classes.background is not None:
            uncovered = self.classes.background
        table = torch.full((len(self) + 1,), uncovered, dtype=torch.uint8)
        table[1:] = self.labels
        return table.to(self.labels.device)[self.panoptic_map()]

    def select(self, keep: Tensor) -> Segmentation:
        """Some of the segments; the pixels of the others become void.

        Args:
            keep: (K,) int64 indices, in whose order the segments are returned, or (N,) bool.
        """
        index = keep.nonzero().flatten() if keep.dtype == torch.bool else keep
        ids = self.ids
        if ids is not None:
            table = torch.zeros(len(self) + 1, dtype=torch.int32, device=ids.device)
            table[index + 1] = torch.arange(1, len(index) + 1, dtype=torch.int32, device=ids.device)
            ids = table[ids]
        masks = None if self.masks is None else self.masks.select(index)
        return Segmentation(self.classes, self.labels[index], self.scores[index], ids, masks, self.crowd[index])

    def to(self, device: torch.device | str) -> Segmentation:
        """The segmentation on another device."""
        ids = None if self.ids is None else self.ids.to(device)
        masks = None if self.masks is None else self.masks.to(device)
        labels, scores, crowd = self.labels.to(device), self.scores.to(device), self.crowd.to(device)
        return Segmentation(self.classes, labels, scores, ids, masks, crowd)


def _range(values: Tensor) -> tuple[int, int]:
    """Smallest and largest integer of a tensor, (0, 0) for an empty one."""
    if not values.numel():
        return 0, 0
    low, high = values.aminmax()
    return int(low), int(high)


def _check(name: str, value: Tensor, dtype: torch.dtype, dimensions: int) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor of {dtype}, not {type(value).__name__}")
    if value.dtype != dtype:
        raise TypeError(f"{name} must be a tensor of {dtype}, not {value.dtype}")
    if value.ndim != dimensions:
        raise ValueError(f"{name} must have {dimensions} dimension{'s' * (dimensions > 1)}, not {tuple(value.shape)}")
