"""What a trained model finds in images of any size."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, overload

import torch
from torch import Tensor

from ..images.image_source import ImageSource, load_image
from ..images.rows import InMemory, Rows
from ..models.base import Model, SemanticModel, SemanticOutputs
from ..models.merged import MergedModel
from ..ops.devices import available
from ..ops.resize import Resizing
from ..postprocess.chain import Chain, check_crf_size
from ..sample import Sample, collate
from ..segmentation import Segmentation
from .choice import best, mean_probability, most_probable
from .test_time_augmentation import View, views
from .tiled_objects import merge
from .tiles import Bands, Tiling, blended, regrouped, resized

MAX_UNTILED_PIXELS = 1536 * 1536
"""The most pixels that a model is given at once when nobody says how large a tile may be."""

TILE = 1024
"""Side of the tiles of larger images, pixels."""

GRID = 32
"""Tiles start at multiples of this many pixels (and of the model's stride), where the poolings of networks fall on the
same pixels as in the whole image."""

BAND = 256
"""Rows of class probabilities that are kept at once."""

FAILURES = (OSError, ValueError, RuntimeError, MemoryError)
"""What one image may raise without ending the work on the others."""

DEFAULT_SCORE_THRESHOLD = 0.3
"""Objects less sure than this are left out of results for people; average precision takes all that a model finds."""

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Predictor:
    """A model with the way to use it; call it with an image.

    Images are resized as the model's `resizing` says and padded to its stride; results have the image's own size.
    For a semantic model, larger images are cut into overlapping tiles that are blended without seams, and class
    probabilities exist for a band of rows at a time only, so that memory grows with an image's width and not with its
    area; a CRF alone needs those of the whole image at once. An instance model predicts each tile as an image of its
    own, and what it finds in several is united (`inference.objects.merge`). Of a merged model each of the two is asked
    by itself, the semantic one with the views and the CRF. The model is moved to the device and stays there; its
    training mode is left as it was.

    Args:
        model: any; `flip` and `scales` need class probabilities, which only semantic models have, and of a merged model
            one of the two.
        device: "auto" (the first GPU when there is one), "cpu", "cuda", "cuda:1".
        flip: whether to look at the mirrored image as well; "both" upside down too. Probabilities are averaged.
        scales: factors on height and width to look at the image with. Probabilities are averaged.
        tile: side of the tiles that images larger than that are cut into, pixels of the resized image, rounded up
            to a multiple of `GRID`; when not given, `TILE` for images of more than `MAX_UNTILED_PIXELS` pixels. An
            instance model that resizes images does so with each tile, pixels of the image as it is: smaller objects
            are found; it takes whole images when `tile` is not given.
        overlap: of neighbouring tiles, as a share of their side.
        precision: "fp32", or "bf16" for the model's own arithmetic, faster where the hardware has it.
        postprocess: what is done with the results; the model's own chain when not given, `Chain()` for nothing. Scores
            are means of the probabilities that the CRF gives, before segments are cleaned.
        score: of instance models, objects less sure than this are left out, 0 to 1; what the one who calls wants when
            not given: `DEFAULT_SCORE_THRESHOLD` for people, everything for average precision. A model never gives what
            is less sure than its own `score_threshold`.

    Raises:
        TypeError: when the model cannot do what is asked for, or is no model but the path of one.
        ValueError: for values that make no sense, and for a device that is not there.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str | torch.device = "auto",
        flip: bool | str = False,
        scales: Sequence[float] = (1.0,),
        tile: int | None = None,
        overlap: float = 0.25,
        precision: str = "fp32",
        postprocess: Chain | None = None,
        score: float | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"a model is wanted, not {_no_model(model)}")
        self.device = available(device)
        self.views = views(scales, flip)
        grid = math.lcm(model.stride, GRID)
        self.tile = None if tile is None else Tiling(tile, overlap, grid)
        self._automatic = Tiling(TILE, overlap, grid)
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}: it must be one of {', '.join(PRECISIONS)}")
        self.precision = precision
        self.postprocess = model.postprocess if postprocess is None else postprocess
        if not isinstance(self.postprocess, Chain):
            raise TypeError(f"postprocess is {postprocess!r}: it must be a Chain, such as Chain(crf=CRF(), open=2)")
        self.score = score
        self._check_task(model)
        self._parts: tuple[Predictor, ...] = ()
        if isinstance(model, MergedModel):
            chain = model.postprocess or None if postprocess is None else postprocess
            same: dict[str, Any] = {"device": device, "tile": tile, "overlap": overlap, "precision": precision}
            self._parts = (
                Predictor(model.semantic, flip=flip, scales=scales, postprocess=chain, **same),
                Predictor(model.instance, postprocess=chain and replace(chain, crf=None), score=0.0, **same),
            )
        # Converting a module to channels last copies its weights, once.
        self.model = model.to(self.device).to(memory_format=torch.channels_last)

    def _check_task(self, model: Model) -> None:
        """Whether a model of its task can do what is asked for."""
        what = f"{model.method} does {model.task} segmentation"
        views_or_crf = self.views != (View(),) or self.postprocess.crf is not None
        if not isinstance(model, SemanticModel | MergedModel) and views_or_crf:
            raise TypeError(f"{what} and has no class probabilities: flip, scales and the CRF are for semantic models")
        if self.postprocess and model.task == "panoptic" and not isinstance(model, MergedModel):
            raise TypeError(f"{what}: its maps cannot be cleaned, only class maps and objects can; leave that out")
        if self.tile is not None and not isinstance(model, SemanticModel | MergedModel) and model.task != "instance":
            raise TypeError(f"{what}: its images cannot be cut into tiles, leave tile out")
        if self.score is not None and model.task != "instance":
            raise TypeError(f"{what}: score is for instance models, whose objects are sure or not, leave it out")
        if self.score is not None and not 0 <= self.score <= 1:
            raise ValueError(f"score is {self.score}: it is how sure an object is at least, 0 (all of them) to 1")

    @torch.inference_mode()
    def __call__(self, source: ImageSource, *, score: float = DEFAULT_SCORE_THRESHOLD) -> Segmentation:
        """What is where in one image, at its own size, on the CPU; objects without a pixel are left out.

        Args:
            source: the image.
            score: objects less sure than this are left out where the predictor was made without a `score` of its own.
        """
        image = load_image(source)
        if isinstance(self.model, MergedModel):
            semantic, instance = self._parts
            return self.model.merge(semantic(image), instance(image))
        with _evaluating(self.model):
            if not isinstance(self.model, SemanticModel):
                found = self._decoded(image)
                if self.model.task == "instance":
                    sure = found.scores >= (score if self.score is None else self.score)
                    found = found.select(sure & (found.areas() > 0))
            elif self.postprocess.crf is None:
                found = most_probable(self._bands(InMemory(image), best), self.model.classes)
            else:
                found = most_probable(iter([best(self._refined(image))]), self.model.classes)
        return self.postprocess.clean(found)

    @torch.inference_mode()
    def probabilities(self, source: ImageSource) -> Tensor:
        """(C, H, W) float32, summing to one over the classes, at the image's own size, on the CPU; after the CRF.

        That is 4 bytes for each class and pixel; calling the predictor itself takes much less.

        Raises:
            TypeError: when the model has no class probabilities.
        """
        if not isinstance(self.model, SemanticModel):
            raise TypeError(f"{self.model.method} does {self.model.task} segmentation: it has no probabilities")
        with _evaluating(self.model):
            if self.postprocess.crf is None:
                return torch.cat([band.cpu() for band in self._bands(InMemory(load_image(source)))], 1)
            return self._refined(load_image(source)).cpu()

    @torch.inference_mode()
    def class_maps(self, source: Rows) -> Generator[Tensor, None, None]:
        """(n, W) uint8 on the CPU: the next `BAND` rows of the class map of an image that is never whole in memory.

        Raises:
            TypeError: when the model has no class probabilities.
            ValueError: when results are to be postprocessed, which takes whole images.
        """
        if not isinstance(self.model, SemanticModel):
            raise TypeError(f"{self.model.method} does {self.model.task} segmentation, which takes whole images")
        if self.postprocess:
            raise ValueError(
                f"the image is {source.size[1]}x{source.size[0]}, too large to be held whole, which postprocessing "
                f"({', '.join(self.postprocess.to_dict())}) needs: predict without it (postprocess=Chain()), or cut "
                "the image"
            )
        with _evaluating(self.model):
            for _, chosen in self._bands(source, best):
                yield chosen.to(torch.uint8).cpu()

    def _decoded(self, image: Tensor) -> Segmentation:
        """What the model itself makes of an image, whole or in tiles."""
        height, width = image.shape[1:]
        tiling = self.tile
        if tiling is None and self.model.task == "instance" and self.model.resizing == Resizing():
            tiling = self._automatic if height * width > MAX_UNTILED_PIXELS else None
        if tiling is not None and max(height, width) > tiling.side:
            windows = tiling.windows(height, width)
            tiles = [
                ((x, y, right, bottom), self._alone(image[:, y:bottom, x:right])) for x, y, right, bottom in windows
            ]
            return merge(tiles, (height, width))
        return self._alone(image)

    def _alone(self, image: Tensor) -> Segmentation:
        """What the model makes of an image, or of a tile as if it were one."""
        size = (image.shape[1], image.shape[2])
        shown = InMemory(image).at(self.model.resizing.size(*size))(slice(None), slice(None))
        found: Segmentation = self.model.decode(self._outputs(shown), [size])[0]
        return found.to("cpu")

    def _outputs(self, image: Tensor) -> SemanticOutputs:
        images = collate([Sample(image)], self.model.stride).to(self.device).images
        kind = PRECISIONS[self.precision]
        with torch.autocast(self.device.type, kind, enabled=kind != torch.float32):
            outputs: SemanticOutputs = self.model(images)
        return outputs

    def _refined(self, image: Tensor) -> Tensor:
        """(C, H, W): the class probabilities after the CRF, on the model's device."""
        check_crf_size(len(self.model.classes), image.shape[1], image.shape[2])  # before the model works for hours
        return self.postprocess.refine(torch.cat(list(self._bands(InMemory(image))), 1), image)

    def _bands(self, source: Rows, finish: Callable[[Tensor], Tensor] = lambda band: band) -> Bands:
        """The class probabilities (C, n, W), averaged over the views, or what `finish` makes of them, by pixel."""
        scales: dict[float, list[View]] = {}
        for view in self.views:
            scales.setdefault(view.scale, []).append(view)
        if len(scales) == 1:
            return self._seen(source, self.views, lambda logits: finish(mean_probability(logits, len(self.views))))
        several = [self._seen(source, flips, partial(mean_probability, views=len(flips))) for flips in scales.values()]
        return (finish(torch.stack(parts).mean(0)) for parts in zip(*several, strict=True))

    def _seen(self, source: Rows, flips: Sequence[View], finish: Callable[[Tensor], Tensor]) -> Bands:
        """What `finish` makes of the logits (V · C, n, W) of the views of one scale."""
        size, classes = source.size, len(self.model.classes)
        seen = flips[0].size(*self.model.resizing.size(*size))
        window = source.at(seen)

        def logits(rows: slice, columns: slice) -> Tensor:
            tile, maps = window(rows, columns), []
            for view in flips:
                found = self._outputs(view.flip(tile)).logits[0, :, : tile.shape[1], : tile.shape[2]]
                if len(found) != classes:
                    raise ValueError(f"the model gives {len(found)} classes, but names {classes} (.classes)")
                maps.append(view.flip(found.float()))
            return torch.cat(maps) if len(maps) > 1 else maps[0]

        tiling = self.tile or (self._automatic if seen[0] * seen[1] > MAX_UNTILED_PIXELS else Tiling(max(seen), 0.0))
        if seen == size:
            return regrouped(blended(logits, seen, tiling, finish), BAND)
        bands = resized(blended(logits, seen, tiling), seen, size, BAND)
        return (finish(band) for band in regrouped(bands, BAND))


@overload
def predict(
    model: Model,
    source: ImageSource,
    *,
    device: str | torch.device = ...,
    flip: bool | str = ...,
    scales: Sequence[float] = ...,
    tile: int | None = ...,
    postprocess: Chain | None = ...,
    score: float | None = ...,
) -> Segmentation: ...
@overload
def predict(
    model: Model,
    source: list[Any] | tuple[Any, ...],
    *,
    device: str | torch.device = ...,
    flip: bool | str = ...,
    scales: Sequence[float] = ...,
    tile: int | None = ...,
    postprocess: Chain | None = ...,
    score: float | None = ...,
) -> list[Segmentation]: ...
def predict(
    model: Model,
    source: ImageSource | list[Any] | tuple[Any, ...],
    *,
    device: str | torch.device = "auto",
    flip: bool | str = False,
    scales: Sequence[float] = (1.0,),
    tile: int | None = None,
    postprocess: Chain | None = None,
    score: float | None = None,
) -> Segmentation | list[Segmentation]:
    """What a model finds in an image, or in each of a list of images.

    Args:
        model: from `pixelwise.load` or `pixelwise.create`.
        source: a path, a PIL image, an (H, W, 3) uint8 array, a (3, H, W) uint8 tensor; or a list of them.
        device, flip, scales, tile, postprocess, score: as `Predictor` describes them, which has more; objects less sure
            than `DEFAULT_SCORE_THRESHOLD` are left out when `score` is not given.

    Returns:
        One result an image, at the image's own size, on the CPU.
    """
    predictor = Predictor(
        model, device=device, flip=flip, scales=scales, tile=tile, postprocess=postprocess, score=score
    )
    if isinstance(source, list | tuple):
        return [predictor(one) for one in source]
    return predictor(source)


def _no_model(given: object) -> str:
    """What was given instead, and for a path what to do."""
    hint = f": load it first, pixelwise.load({str(given)!r})" if isinstance(given, str | os.PathLike) else ""
    return type(given).__name__ + hint


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    if isinstance(model, SemanticModel):
        model.auxiliary_heads = False
    try:
        yield
    finally:
        if isinstance(model, SemanticModel):
            model.auxiliary_heads = True
        for module, mode in modes.items():
            module.training = mode
