"""Semantic prediction of large images in tiles, by views, and with a CRF, a band of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor

from ..images.rows import InMemory, Rows
from ..models.base import as_batch, from_winners
from ..postprocess.chain import check_crf_size
from ..segmentation import Segmentation
from . import method
from .method import NOTHING, Method
from .test_time_augmentation import View, views
from .tiles import Bands, Tiling, blended, regrouped, resized

BAND = 256
"""Rows of class probabilities that are kept at once."""


class SemanticPredictor(Method):
    """Predicts the class of each pixel.

    Class probabilities of large images exist for a band of rows at a time only, so that memory grows with an image's
    width and not with its area; a CRF alone needs those of the whole image at once.
    """

    streams = True

    def check(self) -> None:
        self.refuse_score_threshold()
        options = self.options
        if options.views:
            self.views = views(options.scales, options.flip)
        else:
            self.views = (View(),)

    def predict(self, image: Tensor, score_threshold: float) -> Segmentation:
        """The most probable class of each pixel, after the post-processing."""
        if self._is_ordinary(image):
            return self.whole(self.model, image)
        if self.postprocess.crf is None:
            bands = self.bands(InMemory(image), most_probable)
        else:
            bands = iter([most_probable(self.refined(image))])
        winners = ((confidence, winner) for confidence, winner in bands)
        return self.postprocess.clean(from_winners(winners, self.model.classes).to("cpu"))

    def _is_ordinary(self, image: Tensor) -> bool:
        """True if the model takes the image at once, with no views and no post-processing."""
        if self.options.views or self.postprocess != NOTHING:
            return False
        height, width = image.shape[1:]
        if height * width > method.MAX_UNTILED_PIXELS:
            return False
        return self.tiling_for(*self.model.resizing.size(height, width)) is None

    def probabilities(self, image: Tensor) -> Tensor:
        if self.postprocess.crf is not None:
            return self.refined(image).cpu()
        return torch.cat([band.cpu() for band in self.bands(InMemory(image))], 1)

    def class_maps(self, source: Rows) -> Iterator[Tensor]:
        if self.postprocess:
            raise ValueError(
                f"the image is {source.size[1]}x{source.size[0]}, too large to be held whole, which postprocessing "
                f"({', '.join(self.postprocess.to_dict())}) needs: predict without it (postprocess=Chain()), or cut "
                "the image"
            )
        for _, winner in self.bands(source, most_probable):
            yield winner.to(torch.uint8).cpu()

    def refined(self, image: Tensor) -> Tensor:
        """(C, H, W): the class probabilities after the CRF, on the model's device."""
        check_crf_size(len(self.model.classes), image.shape[1], image.shape[2])  # before the model works for hours
        probabilities = torch.cat(list(self.bands(InMemory(image))), 1)
        return self.postprocess.refine(probabilities, image)

    def bands(self, source: Rows, finish: Callable[[Tensor], Tensor] = lambda band: band) -> Bands:
        """The class probabilities (C, n, W) averaged over the views, or what `finish` makes of them pixel by pixel."""
        scales: dict[float, list[View]] = {}
        for view in self.views:
            scales.setdefault(view.scale, []).append(view)
        if len(scales) == 1:
            return self._bands_at_one_scale(
                source, self.views, lambda logits: finish(mean_probability(logits, len(self.views)))
            )
        parts = [
            self._bands_at_one_scale(source, flips, partial(mean_probability, views=len(flips)))
            for flips in scales.values()
        ]
        return self._mean_over_scales(parts, finish)

    def _mean_over_scales(self, parts: Sequence[Bands], finish: Callable[[Tensor], Tensor]) -> Bands:
        for bands in zip(*parts, strict=True):
            yield finish(torch.stack(bands).mean(0))

    def _bands_at_one_scale(self, source: Rows, flips: Sequence[View], finish: Callable[[Tensor], Tensor]) -> Bands:
        """Applies `finish` to the logits (V · C, n, W) of the views of one scale."""
        size = source.size
        seen = flips[0].size(*self.model.resizing.size(*size))
        window = source.at(seen)

        def logits(rows: slice, columns: slice) -> Tensor:
            return self._tile_logits(window(rows, columns), flips)

        tiling = self.tiling_for(*seen) or Tiling(max(seen), 0.0)
        if seen == size:
            return regrouped(blended(logits, seen, tiling, finish), BAND)
        # Logits, not probabilities, are resized, as `decode` does.
        bands = resized(blended(logits, seen, tiling), seen, size, BAND)
        return (finish(band) for band in regrouped(bands, BAND))

    def _tile_logits(self, tile: Tensor, flips: Sequence[View]) -> Tensor:
        """(V · C, h, w) float32: the logits of each view of a tile, flipped back."""
        height, width = tile.shape[1:]
        classes = len(self.model.classes)
        maps = []
        for view in flips:
            batch = as_batch(view.flip(tile), self.model.stride)
            logits = self.forward(self.model, batch).logits[0, :, :height, :width]
            if len(logits) != classes:
                raise ValueError(f"the model gives {len(logits)} classes, but names {classes} (.classes)")
            maps.append(view.flip(logits.float()))
        return torch.cat(maps) if len(maps) > 1 else maps[0]


def mean_probability(logits: Tensor, views: int) -> Tensor:
    """(V · C, h, w) logits → (C, h, w) class probabilities, averaged over the views."""
    probabilities = cast(Tensor, logits.unflatten(0, (views, -1)).softmax(1))
    return probabilities.mean(0) if views > 1 else probabilities[0]


def most_probable(probabilities: Tensor) -> Tensor:
    """(C, h, w) → (2, h, w): the largest probability of each pixel, and its class."""
    confidence, winner = probabilities.max(0)
    return torch.stack([confidence, winner.float()])
