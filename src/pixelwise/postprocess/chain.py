"""The post-processing chain of a model's probabilities and segments; it is saved with the model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ..masks import Crop, Masks
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

BYTES_PER_PIXEL, BYTES_PER_CLASS = 700, 25
"""The memory of a CRF for each pixel, and for each class of each pixel, measured on photos."""

MAX_CRF_BYTES = 16_000_000_000
"""The largest memory of a CRF; one that would need more is refused."""


@dataclass(frozen=True)
class Chain:
    """The steps after the network, in this order; each is off by default.

    Semantic predictions are cleaned as one class map, in which pixels become void only if there is no class for them.
    Instances are cleaned mask by mask, and those that become empty are dropped. Lengths and areas are in pixels of the
    original image. Regions are 8-connected, holes 4-connected. The functions of the same names in `morphology` and
    `components` describe each step in detail.

    Attributes:
        crf: a dense CRF, which refines class probabilities by the colours of the image; semantic models only.
        smooth: the standard deviation of the Gaussian window whose majority class each pixel takes.
        open: the radius of the disk of the morphological opening, which removes hairs and bridges.
        close: the radius of the disk of the morphological closing, which fills cracks.
        fill_holes: the largest area of holes that are filled.
        merge_below: regions of a smaller area join the neighbour with which they share the longest border; masks of
            instances join a touching one of their class, before all other steps.
        drop_below: regions of a smaller area become background (void if the classes have none).
        keep_largest: the number of regions of each class (of parts of each instance) that are kept, the largest; the
            others become background (void if the classes have none).

    Raises:
        TypeError: if `crf` is not a CRF.
        ValueError: if a length, an area or a number is negative, or not a whole number (`smooth` may be a fraction).
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
        """Return whether any step is on."""
        return self != Chain()

    @property
    def cleans(self) -> bool:
        """Return whether any step besides the CRF is on."""
        return bool(replace(self, crf=None))

    def refine(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """Refine class probabilities by the CRF; without one they are returned unchanged.

        Args:
            probabilities: (C, H, W) float32, on any device.
            image: (3, H, W) uint8 RGB, the whole image at that size.

        Raises:
            ValueError: if the image is too large for the memory that a CRF may use.
        """
        if self.crf is None:
            return probabilities
        check_crf_size(len(probabilities), image.shape[1], image.shape[2])
        return self.crf(probabilities, image.to(probabilities.device))

    def clean(self, prediction: Segmentation) -> Segmentation:
        """Apply all steps but the CRF to a prediction.

        Segments keep their scores; a class that appears only because of dropped regions has score 0.

        Raises:
            ValueError: for a panoptic prediction, which has several segments of a class in one map.
        """
        if not self.cleans:
            return prediction
        if prediction.masks is not None:
            return self._clean_masks(prediction)
        classes, labels = prediction.classes, prediction.labels
        if len(labels.unique()) < len(prediction):
            raise ValueError(
                "several segments of one class share a map here: clean class maps or instance masks, not panoptic maps"
            )
        class_map = self.clean_map(prediction.class_map().cpu().numpy(), classes.background)
        cleaned = Segmentation.from_class_map(torch.from_numpy(class_map).to(labels.device), classes)
        scores = prediction.scores.new_zeros(len(classes)).index_copy(0, labels, prediction.scores)
        return replace(cleaned, scores=scores[cleaned.labels])

    def clean_map(self, class_map: ClassMap, background: int | None = None) -> ClassMap:
        """Apply all steps but the CRF to a class map, (H, W) uint8; void (255) stays void."""
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
        """Apply all steps that concern a single mask, (H, W) bool."""
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

    def _clean_masks(self, prediction: Segmentation) -> Segmentation:
        """Clean each mask within its bounding box."""
        device = prediction.labels.device
        prediction = prediction.to("cpu").select(prediction.areas().cpu() > 0)
        assert prediction.masks is not None
        if self.merge_below:
            groups = merge_masks(prediction.masks, prediction.labels.tolist(), self.merge_below)
            united = prediction.masks.united(groups)
            leaders = torch.tensor([group[0] for group in groups], dtype=torch.int64)
            prediction = replace(prediction.select(leaders), masks=united)
        # A margin wide enough that no step can tell the crop from the whole image.
        margin = 2 * max(self.open, self.close) + math.ceil(4 * self.smooth) + 1
        cleaned = Masks.from_crops(self._clean_crops(prediction, margin), prediction.size)
        return replace(prediction, masks=cleaned).select(cleaned.areas() > 0).to(device)

    def _clean_crops(self, prediction: Segmentation, margin: int) -> Iterator[Crop]:
        assert prediction.masks is not None
        for n in range(len(prediction)):
            crop, corner = prediction.masks.crop(n, margin)
            yield torch.from_numpy(self.clean_mask(crop.numpy())), corner

    def to_dict(self) -> dict[str, Any]:
        """Return the chain as plain values for YAML and JSON, without the steps that are off."""
        record = asdict(self)
        return {name: value for name, value in record.items() if value}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Chain:
        """Make a chain from plain values; steps that are missing are off.

        Raises:
            TypeError, ValueError: for an unknown key, with a suggestion; for an invalid value.
        """
        check_keys(record, cls, "postprocessing has no step")
        crf = record.get("crf")
        return cls(**{**record, "crf": CRF.from_dict(crf) if isinstance(crf, Mapping) else crf})


def check_crf_size(number: int, height: int, width: int) -> None:
    """Check that a CRF fits into memory.

    Args:
        number: the number of classes.
        height, width: the size of the image, pixels.

    Raises:
        ValueError: if it does not; the message names what to do instead.
    """
    pixel = BYTES_PER_PIXEL + BYTES_PER_CLASS * number
    if pixel * height * width > MAX_CRF_BYTES:
        raise ValueError(
            f"the image is {width}x{height}: a CRF over {number} classes would need about "
            f"{pixel * height * width / 1e9:.0f} GB of memory, and is refused above {MAX_CRF_BYTES / pixel / 1e6:.0f} "
            "million pixels; predict without it (--plain, or postprocess=Chain()), or cut or shrink the image"
        )
