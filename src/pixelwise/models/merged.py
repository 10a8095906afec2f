"""A panoptic model made of a semantic model, which predicts the stuff, and an instance model for the objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor

from ..images.intensity import IntensityRange
from ..ops.pad import pad_to
from ..postprocess.panoptic_merging import MergeRules, join_classes
from ..segmentation import Segmentation
from .base import InstanceModel, Model, SemanticModel, SemanticOutputs, from_winners


class MergedOutputs(NamedTuple):
    """The outputs of the two models for a batch."""

    semantic: SemanticOutputs
    instance: Any
    size: tuple[int, int]  # height and width of the images


class MergedModel(Model):
    """Two models that were trained apart, and the rules by which their results become one.

    Each sees the images at the size that it wants; the model itself takes them as they are. `Predictor` asks the two
    one after the other, as it asks each of them alone, so that the result is exactly that of merging their results, and
    each has the postprocessing that was saved with it.

    Attributes:
        semantic, instance: the two models.
        merging: the rules.

    Raises:
        TypeError: the models are not a semantic and an instance model.
        ValueError: they were trained with different intensity ranges.
    """

    task = "panoptic"

    def __init__(self, semantic: SemanticModel, instance: InstanceModel, merging: MergeRules) -> None:
        for name, model, kind in (("semantic", semantic, SemanticModel), ("instance", instance, InstanceModel)):
            if not isinstance(model, kind):
                given = f"{model.method}, for {model.task} segmentation" if isinstance(model, Model) else "no model"
                raise TypeError(f"the {name} model of the two is {given}")
        classes = join_classes(semantic.classes, instance.classes)
        super().__init__(len(classes))
        self.classes, self.architecture, self.arguments = classes, "merged", {"merging": merging.to_dict()}
        self.semantic, self.instance, self.merging = semantic, instance, merging
        self.intensity = _common_intensity(semantic, instance)
        self.train(semantic.training and instance.training)

    def forward(self, images: Tensor) -> MergedOutputs:
        """(B, 3, H, W) float32 RGB in [0, 1] → the outputs of both models for whole images."""
        semantic = self.semantic(_as_it_wants(self.semantic, images))
        instance = self.instance(_as_it_wants(self.instance, images))
        return MergedOutputs(semantic, instance, (images.shape[-2], images.shape[-1]))

    def loss(self, outputs: MergedOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Raises a TypeError: a merged model cannot be trained."""
        raise TypeError(
            "a merged model is not trained: train its semantic and its instance model apart, and merge them again"
        )

    def decode(self, outputs: MergedOutputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """One panoptic result an image, by the rules of `merging`."""
        whole = [outputs.size] * len(sizes)
        probabilities = self.semantic.probabilities(outputs.semantic, whole)
        instances = self.instance.decode(outputs.instance, whole)
        predictions = []
        for maps, objects, (height, width) in zip(probabilities, instances, sizes, strict=True):
            semantic = from_winners([maps[:, :height, :width].max(0)], self.semantic.classes)
            objects = replace(objects, masks=objects.as_masks().cropped(height, width))
            predictions.append(self.merge(semantic, objects))
        return predictions

    def merge(self, semantic: Segmentation, instances: Segmentation) -> Segmentation:
        """The results of the two models as one, in the classes of this model."""
        return self.merging(semantic, instances, classes=self.classes)


def merge(semantic: SemanticModel, instance: InstanceModel, merging: MergeRules | str | None = None) -> MergedModel:
    """A panoptic model of two that were trained apart; it predicts, is evaluated and is saved like any other.

    Args:
        semantic: says what the stuff is.
        instance: finds the objects.
        merging: the rules, `MergeRules()` when not given; or the name of those of others, one of
            `pixelwise.postprocess.panoptic_merging.RULES`.

    Raises:
        TypeError: the models are not a semantic and an instance model, in this order.
        ValueError: for a name that there is not.
    """
    return MergedModel(
        semantic, instance, MergeRules.named(merging) if isinstance(merging, str) else merging or MergeRules()
    )


def _common_intensity(semantic: Model, instance: Model) -> IntensityRange | None:
    """The intensity range of both models, which see the same image."""
    ranges = {model.intensity for model in (semantic, instance) if model.intensity is not None}
    if len(ranges) > 1:
        raise ValueError(
            f"the semantic model was trained with the intensity range {semantic.intensity}, "
            f"the instance model with {instance.intensity}: train both with the same --range"
        )
    return ranges.pop() if ranges else None


def _as_it_wants(model: Model, images: Tensor) -> Tensor:
    """The images as the model wants them: resized, and padded to its stride."""
    size = model.resizing.size(images.shape[-2], images.shape[-1])
    if size != images.shape[-2:]:
        images = F.interpolate(images, size, mode="bilinear", antialias=True)
    return pad_to(images, model.stride)
