"""What is done with a model's probabilities and with its segments before they are a result; saved with the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ..masks import Masks
from ..ops.names import check_keys
from ..segmentation import Segmentation
from .components import drop_map, drop_mask, keep_map, keep_mask, merge_map, merge_masks
from .crf import CRF
from .morphology import (
    ClassMap,
    Mask,
    close_map,
    close_mask,
    fill_map,
    fill_mask,
    open_map,
    open_mask,
    smooth_map,
    smooth_mask,
)

A_PIXEL, A_CLASS = 700, 25
"""What a CRF keeps in memory for each pixel, and for each class of each pixel: bytes, measured on photos."""

LARGEST = 16_000_000_000
"""A CRF that would need more bytes of memory is refused."""


@dataclass(frozen=True)
class Chain:
    """The steps after the network, in this order; each is off unless it is given.

    Semantic results are cleaned as one class map, in which nothing becomes void that has another place to go; of
    instances each mask is cleaned by itself, and those of which nothing stays are dropped. Lengths are pixels and areas
    pixels of the original image. Regions are 8-connected, holes 4-connected. Each step in detail: the functions of
    the same name in `morphology` and `components`.

    Attributes:
        crf: refines class probabilities by the colours of the image; semantic models only.
        smooth: standard deviation of the Gaussian window whose majority each pixel takes.
        open: radius of the disk that parts must hold: hairs and bridges go.
        close: radius of the disk that gaps must hold: cracks are filled.
        fill_holes: holes of at most this area are filled.
        merge_below: regions of less than this area join the neighbour that they share most border with; of instances,
            masks that touch another one of their class, before all other steps.
        drop_below: regions of less than this area become background (void where the classes have none).
        keep_largest: so many regions of each class stay (of instances: so many parts of each), the others become
            background (void where the classes have none).

    Raises:
        TypeError: for a crf that is none.
        ValueError: for a length, an area or a number that is negative or no whole number (`smooth` may be a fraction).
    """

    crf: CRF | None = None
    smooth: float = 0.0
    open: int = 0
    close: int = 0
    fill_holes: int = 0
    merge_below: int = 0
    drop_below: int = 0
    keep_largest: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.crf, CRF | None):
            raise TypeError(f"crf is {self.crf!r}: it must be a CRF, such as CRF() or CRF.parse('deeplabv2-voc')")
        for field in fields(self)[1:]:
            value, kinds = getattr(self, field.name), (int, float) if field.name == "smooth" else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < math.inf:
                number = "number" if field.name == "smooth" else "whole number"
                raise ValueError(f"{field.name} is {value!r}: it is a {number} of pixels or regions, 0 for none")

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return self != Chain()

    @property
    def cleans(self) -> bool:
        """Whether there is anything to do besides the CRF."""
        return bool(replace(self, crf=None))

    def refine(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """The probabilities after the CRF; the same ones where there is none.

        Args:
            probabilities: (C, H, W) float32, on any device.
            image: (3, H, W) uint8 RGB, the whole image at that size.

        Raises:
            ValueError: for an image that is too large to be held in memory as often as a CRF needs it.
        """
        if self.crf is None:
            return probabilities
        check_crf_size(len(probabilities), image.shape[1], image.shape[2])
        return self.crf(probabilities, image.to(probabilities.device))

    def clean(self, found: Segmentation) -> Segmentation:
        """The result after all steps but the CRF.

        Segments keep their scores; a class that only comes in with what was dropped has score 0.

        Raises:
            ValueError: for a panoptic result, which has several segments of a class in one map.
        """
        if not self.cleans:
            return found
        if found.masks is not None:
            return self._clean_masks(found)
        if len(found.labels.unique()) < len(found):
            raise ValueError(
                "several segments of one class share a map here: clean class maps or instance masks, not panoptic maps"
            )
        class_map = torch.from_numpy(self.clean_map(found.class_map().cpu().numpy(), found.classes.background))
        cleaned = Segmentation.from_class_map(class_map.to(found.labels.device), found.classes)
        scores = found.scores.new_zeros(len(found.classes)).index_copy(0, found.labels, found.scores)
        return replace(cleaned, scores=scores[cleaned.labels])

    def clean_map(self, class_map: ClassMap, background: int | None = None) -> ClassMap:
        """A class map, (H, W) uint8, after all steps but the CRF; void (255) stays void."""
        if self.smooth:
            class_map = smooth_map(class_map, self.smooth)
        if self.open:
            class_map = open_map(class_map, self.open, background)
        if self.close:
            class_map = close_map(class_map, self.close, background)
        if self.fill_holes:
            class_map = fill_map(class_map, self.fill_holes, background)
        if self.merge_below:
            class_map = merge_map(class_map, self.merge_below)
        if self.drop_below:
            class_map = drop_map(class_map, self.drop_below, background)
        if self.keep_largest:
            class_map = keep_map(class_map, self.keep_largest, background)
        return class_map

    def clean_mask(self, mask: Mask) -> Mask:
        """One mask, (H, W) bool, after all steps that concern a single one."""
        if self.smooth:
            mask = smooth_mask(mask, self.smooth)
        if self.open:
            mask = open_mask(mask, self.open)
        if self.close:
            mask = close_mask(mask, self.close)
        if self.fill_holes:
            mask = fill_mask(mask, self.fill_holes)
        if self.drop_below:
            mask = drop_mask(mask, self.drop_below)
        if self.keep_largest:
            mask = keep_mask(mask, self.keep_largest)
        return mask

    def _clean_masks(self, found: Segmentation) -> Segmentation:
        found, device = found.to("cpu").select(found.areas().cpu() > 0), found.labels.device
        if self.merge_below:
            assert found.masks is not None
            groups = merge_masks(found.masks, found.labels.tolist(), self.merge_below)
            united = found.masks.united(groups)
            found = replace(found.select(torch.tensor([group[0] for group in groups], dtype=torch.int64)), masks=united)
        assert found.masks is not None
        margin = 2 * max(self.open, self.close) + math.ceil(4 * self.smooth) + 1
        crops = (found.masks.crop(n, margin) for n in range(len(found)))
        cleaned = Masks.from_crops(
            ((torch.from_numpy(self.clean_mask(crop.numpy())), corner) for crop, corner in crops), found.size
        )
        return replace(found, masks=cleaned).select(cleaned.areas() > 0).to(device)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML and JSON: what is off is left out."""
        record = asdict(self)
        return {name: value for name, value in record.items() if value}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Chain:
        """The chain of plain values; what is not given is off.

        Raises:
            TypeError, ValueError: for a key that there is not, naming the nearest one; for a value that makes no sense.
        """
        check_keys(record, cls, "postprocessing has no step")
        crf = record.get("crf")
        return cls(**{**record, "crf": CRF.from_dict(crf) if isinstance(crf, Mapping) else crf})


def check_crf_size(number: int, height: int, width: int) -> None:
    """Refuses a CRF on an image that is too large for it.

    Raises:
        ValueError: says what to do instead.
    """
    pixel = A_PIXEL + A_CLASS * number
    if pixel * height * width > LARGEST:
        raise ValueError(
            f"the image is {width}x{height}: a CRF over {number} classes would need about "
            f"{pixel * height * width / 1e9:.0f} GB of memory, and is refused above {LARGEST / pixel / 1e6:.0f} "
            "million pixels; predict without it (--plain, or postprocess=Chain()), or cut or shrink the image"
        )
