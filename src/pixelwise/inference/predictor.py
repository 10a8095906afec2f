"""Prediction with a trained model, for images of any size."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, overload

import torch
from torch import Tensor

from ..images.intensity import IntensityRange
from ..images.reading import ImageSource, load_image
from ..images.rows import Rows
from ..models.base import Model, prepare
from ..models.merged import MergedModel
from ..ops.devices import find_device
from ..postprocess.chain import Chain
from ..segmentation import Segmentation
from .instance import InstancePredictor
from .method import OVERLAP, Method, Options
from .panoptic import MergedPredictor, PanopticPredictor
from .semantic import SemanticPredictor

DEFAULT_SCORE_THRESHOLD = 0.3
"""Detections with a lower confidence score are dropped from predictions for people; average precision ranks all."""

FAILURES = (OSError, ValueError, RuntimeError, MemoryError)
"""The errors that one image may raise without ending the work on the others."""

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

METHODS: dict[str, type[Method]] = {
    "semantic": SemanticPredictor,
    "instance": InstancePredictor,
    "panoptic": PanopticPredictor,
}


class Predictor:
    """A model with the settings for using it; call it with an image.

    The road of an ordinary image is `predict_whole`: read, resize, batch, `forward`, `decode`. Images are resized as
    the model's `resizing` says and padded to its stride; predictions have the image's own size. Larger images, views
    (flips and scales) and the CRF take the longer roads of `inference.semantic`, `inference.instance` and
    `inference.panoptic`.

    The model is moved to the device and stays there; its training mode and its heads are left as they were. One
    predictor may be used from several threads.

    Args:
        model: any; `flip`, `scales` and the CRF need class probabilities, which semantic models have, and of a merged
            model its semantic part.
        device: "auto" (the first GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".
        flip: test-time augmentation by mirrored images: False; True (left and right); "both" (upside down as well).
            Probabilities are averaged.
        scales: test-time augmentation by resized images: factors on height and width. Probabilities are averaged.
        tile: side of the tiles into which larger images are cut, pixels of the resized image, rounded up to a multiple
            of `method.TILE_GRID`. When not given, images of more than `method.MAX_UNTILED_PIXELS` pixels are cut
            into tiles of `method.TILE` pixels, except by instance models that resize their images. An instance model
            that resizes does so with each tile, so that small objects are detected in large images.
        overlap: of neighbouring tiles, as a share of their side.
        precision: "fp32", or "bf16" for the arithmetic of the model, faster where the hardware supports it.
        postprocess: the post-processing of predictions; the model's own chain when not given, `Chain()` for none.
            Scores are means of the probabilities that the CRF gives, before segments are cleaned.
        score_threshold: of instance models, detections with a lower confidence score are dropped, 0 to 1. When not
            given, each call decides; the model's own `score_threshold` holds in any case.
        intensity: the values of images of more than 8 bits that become 0 and 255; those of the model when not given.

    Raises:
        TypeError: the model cannot do what is asked for, or is the path of a model.
        ValueError: a value is out of range, or the device is not there.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str | torch.device = "auto",
        flip: bool | str = False,
        scales: Sequence[float] = (1.0,),
        tile: int | None = None,
        overlap: float = OVERLAP,
        precision: str = "fp32",
        postprocess: Chain | None = None,
        score_threshold: float | None = None,
        intensity: IntensityRange | None = None,
    ) -> None:
        _check_model(model)
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}: it must be one of {', '.join(PRECISIONS)}")
        self.device = find_device(device)
        self.precision = precision
        self.intensity = intensity or model.intensity
        # Converting a module to channels last copies its weights, once.
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        options = Options(flip, tuple(scales), tile, overlap, postprocess, score_threshold)
        method = MergedPredictor if isinstance(model, MergedModel) else METHODS[model.task]
        self._method = method(model, options, self.predict_whole, self.outputs)
        self.postprocess = self._method.postprocess

    def obstacles_to_streaming(self) -> list[str]:
        """The reasons why `class_maps` cannot predict images that are never whole in memory; empty if it can."""
        obstacles = []
        if not self._method.streams:
            obstacles.append(f"{self.model.task} segmentation")
        if self.postprocess:
            obstacles.append("postprocessing")
        return obstacles

    def without_postprocess(self) -> Predictor:
        """This predictor without post-processing, also without that of the model; they share the model."""
        plain = copy(self)
        options = replace(self._method.options, postprocess=Chain())
        plain._method = type(self._method)(self.model, options, plain.predict_whole, plain.outputs)
        plain.postprocess = plain._method.postprocess
        return plain

    @torch.inference_mode()
    def __call__(self, source: ImageSource, *, score_threshold: float = DEFAULT_SCORE_THRESHOLD) -> Segmentation:
        """The prediction for one image, at its own size, on the CPU; objects without a pixel are left out.

        Args:
            source: the image.
            score_threshold: of detections, where the predictor was made without a `score_threshold` of its own.
        """
        image = load_image(source, self.intensity)
        with self.model.predicting():
            return self._method.predict(image, score_threshold)

    def predict_whole(self, model: Model, image: Tensor) -> Segmentation:
        """The road of one ordinary image, (3, H, W) uint8: resize → batch → `forward` → `decode` → prediction."""
        batch = prepare(image, model.resizing, model.stride)
        outputs = self.outputs(model, batch)
        size = (image.shape[1], image.shape[2])
        return model.decode(outputs, [size])[0].to("cpu")

    def outputs(self, model: Model, images: Tensor) -> Any:
        """The outputs of `forward` for a batch, computed on the device in the precision of this predictor."""
        kind = PRECISIONS[self.precision]
        images = images.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, kind, enabled=kind != torch.float32):
            return model(images)

    @torch.inference_mode()
    def probabilities(self, source: ImageSource) -> Tensor:
        """(C, H, W) float32, summing to one over the classes, at the image's own size, on the CPU; after the CRF.

        That is 4 bytes for each class and pixel; calling the predictor itself takes much less.

        Raises:
            TypeError: the model has no class probabilities.
        """
        with self.model.predicting():
            return self._method.probabilities(load_image(source, self.intensity))

    @torch.inference_mode()
    def class_maps(self, source: Rows) -> Generator[Tensor, None, None]:
        """(n, W) uint8 on the CPU: the next rows of the class map of an image that is never whole in memory.

        Raises:
            TypeError: the model has no class probabilities.
            ValueError: predictions are to be post-processed, which takes whole images.
        """
        with self.model.predicting():
            yield from self._method.class_maps(source)


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
    score_threshold: float | None = ...,
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
    score_threshold: float | None = ...,
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
    score_threshold: float | None = None,
) -> Segmentation | list[Segmentation]:
    """Predicts an image, or each of a list of images.

    Args:
        model: from `pixelwise.load` or `pixelwise.create`.
        source: a path, a PIL image, an (H, W, 3) uint8 array, a (3, H, W) uint8 tensor; or a list of them.
        device, flip, scales, tile, postprocess, score_threshold: as in `Predictor`, which has more settings;
            `score_threshold` is `DEFAULT_SCORE_THRESHOLD` when not given.

    Returns:
        One prediction for each image, at the image's own size, on the CPU.
    """
    predictor = Predictor(
        model,
        device=device,
        flip=flip,
        scales=scales,
        tile=tile,
        postprocess=postprocess,
        score_threshold=score_threshold,
    )
    if isinstance(source, list | tuple):
        return [predictor(one) for one in source]
    return predictor(source)


def _check_model(model: object) -> None:
    if isinstance(model, Model):
        return
    hint = ""
    if isinstance(model, str | os.PathLike):
        hint = f": load it first, pixelwise.load({str(model)!r})"
    raise TypeError(f"a model is wanted, not {type(model).__name__}{hint}")
