"""The base classes of all models: `forward`, `loss` and `decode`, and what models of one task share."""

from __future__ import annotations

import abc
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..classes import VOID, Classes
from ..images.intensity import IntensityRange
from ..images.scaling import scaled
from ..layers.normalize import Normalize
from ..losses.base_criterion import Criterion
from ..losses.pixel import CrossEntropy
from ..ops.pad import centre
from ..ops.resize import Resizing, resize
from ..postprocess.chain import Chain
from ..segmentation import Segmentation

ROWS_AT_ONCE = 256
"""Rows whose class probabilities are computed at once, so that memory does not grow with the height of an image."""

_PREDICTING = threading.Lock()
"""Guards the switch of models between training and prediction, which several threads may ask for."""


class Model(nn.Module, abc.ABC):
    """A segmentation method. `forward`, `loss` and `decode` have the same types in `train()` and in `eval()`.

    Attributes:
        task: "semantic", "instance" or "panoptic".
        stride: images are padded to a multiple of this many pixels before they are batched.
        classes: the classes that the outputs stand for, in their order.
        normalize: maps RGB in [0, 1] to the range that the weights expect.
        resizing: the size to which an image is resized before `forward`.
        intensity: the values of images of more than 8 bits that become 0 and 255; None where nobody stated them.
        postprocess: the post-processing applied to predictions by `Predictor`; not part of `forward` or `decode`.
        takes_criterion: whether a recipe chooses the loss of the method (`criterion`, `auxiliary_weight`); other
            methods have losses of their own.
        auxiliary_heads: whether `forward` runs the heads that only training needs; `predicting` switches them off.
        architecture, arguments: how `pixelwise.create` made the model, so that a checkpoint can make it again.
        record: the metadata of the checkpoint that the model was loaded from; empty for a new model.
    """

    task: ClassVar[str]
    takes_criterion: ClassVar[bool] = False
    stride: int = 1

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: a model needs at least one class")
        self.classes = Classes.numbered(num_classes)
        self.normalize = Normalize()
        self.resizing = Resizing()
        self.intensity: IntensityRange | None = None
        self.postprocess = Chain()
        self.auxiliary_heads = True
        self._predictions = 0
        self._before: list[tuple[nn.Module, bool, bool]] = []
        self.architecture = ""
        self.arguments: Mapping[str, Any] = {}
        self.record: Mapping[str, Any] = {}

    @property
    def method(self) -> str:
        """The name that `pixelwise.create` knows the model by, or that of its class."""
        return self.architecture or type(self).__name__

    @classmethod
    def adapt_classes(cls, classes: Classes) -> Classes:
        """The classes of published weights as this method counts them."""
        return classes

    @abc.abstractmethod
    def forward(self, images: Tensor) -> Any:
        """(B, 3, H, W) float32 RGB in [0, 1] → the outputs (a NamedTuple) that the model's file declares."""

    @abc.abstractmethod
    def loss(self, outputs: Any, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Named scalar losses, to be summed; the ground truths have the size of the images."""

    @abc.abstractmethod
    def decode(self, outputs: Any, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """Turns outputs into one prediction for each image.

        Args:
            outputs: of `forward`, for images resized by `self.resizing` and padded on the right and below.
            sizes: height and width of each original image; the predictions have these sizes.
        """

    @contextmanager
    def predicting(self) -> Iterator[None]:
        """Puts the model and those in it into `eval()` without auxiliary heads, and restores their state afterwards.

        Several threads may predict at once: the first one to enter switches, and the last one to leave restores.
        """
        with _PREDICTING:
            self._predictions += 1
            if self._predictions == 1:
                self._before = [(module, module.training, _has_heads(module)) for module in self.modules()]
                self.eval()
                _switch_heads((module, False) for module in self.modules())
        try:
            yield
        finally:
            with _PREDICTING:
                self._predictions -= 1
                if self._predictions == 0:
                    for module, training, _ in self._before:
                        module.training = training
                    _switch_heads((module, heads) for module, _, heads in self._before)
                    self._before = []


def _has_heads(module: nn.Module) -> bool:
    return isinstance(module, Model) and module.auxiliary_heads


def _switch_heads(wanted: Iterable[tuple[nn.Module, bool]]) -> None:
    for module, heads in wanted:
        if isinstance(module, Model):
            module.auxiliary_heads = heads


class SemanticOutputs(NamedTuple):
    """The outputs of a semantic model for a batch."""

    logits: Tensor  # (B, C, H, W), at the size of the images
    auxiliary: tuple[Tensor, ...] = ()  # (B, C, h, w) each: what is only trained, not used


class SemanticModel(Model):
    """A class for each pixel: `forward` gives `SemanticOutputs`; the loss and the decoding are the same for all.

    Attributes:
        criterion: compares logits with the ground truth; cross-entropy unless a recipe says otherwise.
        auxiliary_weight: the factor of the losses of the auxiliary heads.
    """

    task = "semantic"
    takes_criterion = True
    auxiliary_weight: float = 0.4

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.criterion: Criterion = CrossEntropy()

    def loss(self, outputs: SemanticOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """The criterion's parts, and the weighted sum of those of the auxiliary heads as `auxiliary`.

        The ground truths are brought to the size of each map of logits by `align_target`.
        """
        targets = self.criterion.targets(truths)
        parts = self._compare(outputs.logits, targets)
        if outputs.auxiliary:
            totals = []
            for logits in outputs.auxiliary:
                losses = self._compare(logits, targets)
                totals.append(sum(losses.values(), logits.new_zeros(())))
            parts["auxiliary"] = self.auxiliary_weight * torch.stack(totals).sum()
        return parts

    def _compare(self, logits: Tensor, targets: Sequence[Tensor]) -> dict[str, Tensor]:
        """The criterion's parts for one map of logits."""
        size = (logits.shape[-2], logits.shape[-1])
        maps = [self.align_target(target, size) for target in targets]
        class_map, *others = maps
        # Only here to int64, which the losses need and interpolation does not take.
        return dict(self.criterion(logits, class_map.long(), *others))

    def align_target(self, target: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring a map of the ground truth, (B, H, W), to the `size` of a map of logits; here by a centre crop."""
        return centre(target, size)

    def probabilities(self, outputs: SemanticOutputs, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """(C, H, W) float32 for each image at its original size, summing to one over the classes."""
        logits = zip(outputs.logits, sizes, strict=True)
        return [self._at_original_size(maps, size).softmax(0) for maps, size in logits]

    def decode(self, outputs: SemanticOutputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """The most probable class of each pixel, scored by its mean probability."""
        predictions = []
        for maps, size in zip(outputs.logits, sizes, strict=True):
            bands = self._at_original_size(maps, size).split(ROWS_AT_ONCE, 1)
            winners = (band.softmax(0).max(0) for band in bands)
            predictions.append(from_winners(winners, self.classes))
        return predictions

    def _at_original_size(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """(C, h, w) logits of a resized and padded image → (C, *size) float32."""
        if len(logits) != len(self.classes):
            raise ValueError(f"the model gives {len(logits)} classes, but names {len(self.classes)} (.classes)")
        height, width = self.resizing.size(*size)
        return resize(logits[None, :, :height, :width].float(), size)[0]


class InstanceModel(Model):
    """Each object apart: `decode` gives masks in the order of their confidence scores. Class 0 is the background.

    Attributes:
        score_threshold: detections with a lower confidence score are dropped; low, because average precision ranks
            all of them.
        max_detections: maximum detections of an image; those with the highest scores are kept.
    """

    task = "instance"
    score_threshold: float = 0.05
    max_detections: int = 100

    def __init__(self, num_classes: int) -> None:
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}: a background and one class of objects is the least")
        super().__init__(num_classes)

    @classmethod
    def adapt_classes(cls, classes: Classes) -> Classes:
        """All classes but the background are things."""
        return replace(classes, things=tuple(k != classes.background for k in range(len(classes))))


def prepare(image: Tensor, resizing: Resizing, stride: int) -> Tensor:
    """Makes a batch of one image as a model with this resizing and stride takes it.

    Args:
        image: (3, H, W) uint8 RGB.
        resizing, stride: of the model.

    Returns:
        (1, 3, h, w) float32 in [0, 1], resized, padded with zeros on the right and below to multiples of the stride.
    """
    height, width = resizing.size(image.shape[1], image.shape[2])
    if (height, width) != image.shape[1:]:
        pixels = scaled(image.permute(1, 2, 0).cpu().numpy(), (height, width))
        image = torch.from_numpy(pixels).permute(2, 0, 1)
    return as_batch(image, stride)


def as_batch(image: Tensor, stride: int) -> Tensor:
    """(3, H, W) uint8 → (1, 3, h, w) float32 in [0, 1], channels last, padded to multiples of the stride."""
    height, width = image.shape[1:]
    padded = F.pad(image, (0, -width % stride, 0, -height % stride))
    return padded[None].contiguous(memory_format=torch.channels_last) / 255


def from_winners(winners: Iterable[tuple[Tensor, Tensor]], classes: Classes) -> Segmentation:
    """One segment for each class that wins somewhere, scored by its mean probability there.

    Args:
        winners: (n, W) largest probability of each pixel and (n, W) its class, for one band of rows after the other
            from the top of the image to its bottom.
        classes: the classes that were chosen from.

    Returns:
        The segments, on the device of the winners.
    """
    class_maps = []
    total = torch.zeros(VOID + 1, dtype=torch.float64)
    for confidence, winner in winners:
        class_maps.append(winner.to(torch.uint8))
        # Summed on the CPU in float64, which not every device has.
        total += torch.bincount(winner.flatten().long().cpu(), confidence.flatten().double().cpu(), minlength=VOID + 1)
    prediction = Segmentation.from_class_map(torch.cat(class_maps), classes)
    means = total[prediction.labels.cpu()] / prediction.areas().cpu()
    scores = means.float().clamp(0, 1).to(prediction.labels.device)
    return Segmentation(classes, prediction.labels, scores, ids=prediction.ids)
