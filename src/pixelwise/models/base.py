"""What every model can do: `forward`, `loss`, `decode`; and what the semantic ones share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ..classes import Classes
from ..layers.normalize import Normalize
from ..losses.border import BorderCrossEntropy
from ..losses.pixel import CrossEntropy
from ..ops.pad import centre
from ..ops.resize import Resizing, resize
from ..postprocess.chain import Chain
from ..segmentation import Segmentation


class Model(nn.Module):
    """A method. The three verbs take and return the same types in `train()` and in `eval()`.

    Attributes:
        task: "semantic", "instance" or "panoptic".
        stride: images are padded to a multiple of this many pixels before they are batched.
        classes: what the outputs mean, in their order.
        normalize: from RGB in [0, 1] to the numbers that the weights expect.
        resizing: the size at which the model wants to see an image.
        postprocess: what is done with its results when it is used; `forward`, `loss` and `decode` know nothing of it.
        auxiliary_heads: whether `forward` runs the heads that only training needs; predicting switches it off.
        architecture, arguments: how `pixelwise.create` made the model, so that a checkpoint can make it again.
        record: what the checkpoint says that the model was loaded from; empty for a new one.
    """

    task: ClassVar[str]
    stride: int = 1
    auxiliary_heads: bool = True

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: a model needs at least one class")
        self.classes = Classes.numbered(num_classes)
        self.normalize = Normalize()
        self.resizing = Resizing()
        self.postprocess = Chain()
        self.architecture = ""
        self.arguments: Mapping[str, Any] = {}
        self.record: Mapping[str, Any] = {}

    @property
    def method(self) -> str:
        """What people call it: the name that `pixelwise.create` knows it by, or that of its class."""
        return self.architecture or type(self).__name__

    def forward(self, images: Tensor) -> Any:
        """(B, 3, H, W) float32 RGB in [0, 1] → the Outputs that the model's file declares."""
        raise TypeError(f"{type(self).__name__} has no forward: a model's file defines it")

    def loss(self, outputs: Any, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """Named scalar parts, to be summed; the ground truths are as large as the images."""
        raise TypeError(f"{type(self).__name__} has no loss: a model's file defines it")

    def decode(self, outputs: Any, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """One result an image.

        Args:
            outputs: what `forward` gave for images resized by `self.resizing` and padded right and below.
            sizes: height and width of each original image; the results have these sizes.
        """
        raise TypeError(f"{type(self).__name__} has no decode: a model's file defines it")


class SemanticOutputs(NamedTuple):
    """What a semantic model says of a batch."""

    logits: Tensor  # (B, C, H, W), at the size of the images
    auxiliary: tuple[Tensor, ...] = ()  # (B, C, h, w) each: what is only trained, not used


class SemanticModel(Model):
    """A class for each pixel: `forward` gives `SemanticOutputs`; the loss and the decoding are the same for all.

    Attributes:
        criterion: (logits, class_map) → named losses; cross-entropy unless a recipe says otherwise.
        auxiliary_weight: what the losses of the auxiliary heads are multiplied with.
    """

    task = "semantic"
    auxiliary_weight: float = 0.4

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.criterion: Callable[[Tensor, Tensor], dict[str, Tensor]] = CrossEntropy()

    def loss(self, outputs: SemanticOutputs, truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        """The criterion's parts, and the weighted sum of those of the auxiliary heads as `auxiliary`.

        The ground truths are brought to the size of each map of logits by `fit`.
        """
        criterion = self.criterion
        target = torch.stack([truth.class_map() for truth in truths])
        border = criterion.pixel_weights(truths) if isinstance(criterion, BorderCrossEntropy) else None

        def compare(logits: Tensor) -> dict[str, Tensor]:
            size = (logits.shape[-2], logits.shape[-1])
            more = {} if border is None else {"pixel_weights": self.fit(border, size)}
            return dict(criterion(logits, self.fit(target, size).long(), **more))

        parts = compare(outputs.logits)
        if outputs.auxiliary:
            every = [sum(compare(logits).values(), logits.new_zeros(())) for logits in outputs.auxiliary]
            parts["auxiliary"] = self.auxiliary_weight * torch.stack(every).sum()
        return parts

    def fit(self, truths: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, H, W), what is true of each pixel → (B, *size), as large as the logits: the middle is taken."""
        return centre(truths, size)

    def probabilities(self, outputs: SemanticOutputs, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """(C, H, W) float32 for each image at its original size, summing to one over the classes."""
        maps = []
        for logits, size in zip(outputs.logits, sizes, strict=True):
            h, w = self.resizing.size(*size)
            maps.append(resize(logits[None, :, :h, :w].float(), size)[0].softmax(0))
        return maps

    def decode(self, outputs: SemanticOutputs, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        """The most probable class of each pixel."""
        return [most_probable(p, self.classes) for p in self.probabilities(outputs, sizes)]


class InstanceModel(Model):
    """Each object apart: `decode` gives masks, the surest first. The background is class 0 and is never found.

    Attributes:
        score_threshold: objects less sure are left out; low, as average precision wants all that may be right.
        max_detections: so many of an image are given at most.
    """

    task = "instance"
    score_threshold: float = 0.05
    max_detections: int = 100

    def __init__(self, num_classes: int) -> None:
        if num_classes < 2:
            raise ValueError(f"num_classes is {num_classes}: to find objects takes a background and one class at least")
        super().__init__(num_classes)


def most_probable(probabilities: Tensor, classes: Classes) -> Segmentation:
    """(C, H, W) class probabilities → one segment for each class that wins somewhere, scored by its mean there."""
    confidence, class_map = probabilities.max(0)
    found = Segmentation.from_class_map(class_map, classes)
    ids = found.panoptic_map().flatten()
    total = torch.bincount(ids, confidence.flatten().double(), minlength=len(found) + 1)[1:]
    scores = (total / found.areas()).float().clamp(0, 1)
    return Segmentation(classes, found.labels, scores, ids=found.ids)
