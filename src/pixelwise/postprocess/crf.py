"""The dense CRF with DeepLab's two kernels: class probabilities that follow the edges of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from ..ops.names import check_keys, suggest
from .mean_field import Kernel, build_lattices, check_images, mean_field
from .permutohedral import NORMALIZATIONS, Lattice


@dataclass(frozen=True)
class CRF:
    """A dense CRF with the two kernels of DeepLab, as a step after any network that gives class probabilities.

    Attributes:
        pos_w: the weight of the kernel of position alone.
        pos_xy: its standard deviation, pixels.
        bi_w: the weight of the bilateral kernel, of position and colour.
        bi_xy: its standard deviation of the position, pixels.
        bi_rgb: its standard deviation of the colour, for channels of 0 to 255.
        steps: the number of mean-field updates.
        normalization: "symmetric" as in pydensecrf, "after" as in DeepLab's own program; see `permutohedral.Lattice`.
    """

    pos_w: float = 3.0
    pos_xy: float = 3.0
    bi_w: float = 4.0
    bi_xy: float = 67.0
    bi_rgb: float = 3.0
    steps: int = 10
    normalization: str = "symmetric"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "normalization":
                if value not in NORMALIZATIONS:
                    raise ValueError(f"there is no normalization {value!r}; there are: {', '.join(NORMALIZATIONS)}")
            elif isinstance(value, bool) or not isinstance(value, int if field.name == "steps" else int | float):
                raise ValueError(f"{field.name} of the CRF is {value!r}: it is a number")
            elif not (0 <= value < float("inf")) or (value == 0 and field.name in ("pos_xy", "bi_xy", "bi_rgb")):
                raise ValueError(f"{field.name} of the CRF is {value}: weights are 0 or more, deviations above 0")

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """Return the kernels whose weight is not 0."""
        both = (
            Kernel(self.pos_w, self.pos_xy, None, self.normalization),
            Kernel(self.bi_w, self.bi_xy, self.bi_rgb, self.normalization),
        )
        return tuple(kernel for kernel in both if kernel.weight)

    def __call__(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """Refine the probabilities of one image.

        Args:
            probabilities: (C, H, W) float.
            image: (3, H, W) uint8, RGB: the original image at the size of the probabilities.

        Returns:
            (C, H, W) float32: the refined probabilities.
        """
        with torch.inference_mode():
            return mean_field(probabilities[None].float(), image[None], self.kernels, self.steps)[0]

    def to_dict(self) -> dict[str, Any]:
        """Return the CRF as plain values for YAML and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CRF:
        """Make a CRF from plain values; keys that are missing have their defaults.

        Raises:
            ValueError: for an unknown key, with a suggestion; for a value that is not a number.
        """
        check_keys(record, cls, "a CRF has no key")
        return cls(**record)

    @classmethod
    def parse(cls, text: str) -> CRF:
        """Make a CRF from text: a name in `PARAMETERS`, changes to the defaults such as "bi_xy=50,bi_rgb=5", or both.

        With both the name comes first: "deeplabv2-voc,steps=5".

        Raises:
            ValueError: for an unknown name, key or value, with a suggestion.
        """
        changes = text.split(",")
        record: dict[str, Any] = {}
        if "=" not in changes[0]:
            name = changes.pop(0)
            if name and name not in PARAMETERS:
                raise ValueError(f"there is no CRF {name!r}: {suggest(name, PARAMETERS)}")
            record = PARAMETERS[name].to_dict() if name else {}
        for change in changes:
            key, _, value = change.partition("=")
            key, value = key.strip(), value.strip()
            record[key] = value if key == "normalization" else _number(key, value)
        return cls.from_dict(record)


def _number(key: str, text: str) -> float:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise ValueError(f"{key} of the CRF is {text!r}: write KEY=NUMBER, with commas between") from None


PARAMETERS = {
    "deeplabv1-voc": CRF(3, 3, 5, 50, 10, normalization="after"),
    "deeplabv1-voc-msc": CRF(3, 3, 3, 95, 3, normalization="after"),
    "deeplabv1-voc-coco": CRF(3, 3, 5, 67, 3, normalization="after"),
    "deeplabv1-voc-largefov": CRF(3, 3, 4, 121, 5, normalization="after"),
    "deeplabv1-voc-msc-largefov": CRF(3, 3, 4, 83, 5, normalization="after"),
    "deeplabv1-voc-coco-largefov": CRF(3, 3, 5, 69, 5, normalization="after"),
    "deeplabv1-voc-msc-coco-largefov": CRF(3, 3, 4, 59, 5, normalization="after"),
    "deeplabv2-voc-vgg16": CRF(2, 2, 4, 65, 3, normalization="after"),
    "deeplabv2-voc": CRF(3, 1, 4, 67, 3),
    "deeplabv2-cocostuff": CRF(3, 1, 4, 67, 3),
    "pydensecrf": CRF(3, 3, 10, 80, 13, steps=5),
}
"""Published parameters. DeepLab's own program normalizes after filtering; deeplab-pytorch (v2 with ResNet-101, on VOC
and on COCO-Stuff) uses pydensecrf, whose example is the last row."""


class RecurrentCRF(nn.Module):
    """A CRF as the last layers of a network: the weights of its kernels and its compatibility are learned with it.

    Zheng et al.: "Conditional Random Fields as Recurrent Neural Networks", ICCV 2015. The standard deviations of the
    kernels are fixed, as in the paper.

    Args:
        num_classes: C.
        crf: the initial parameters; the paper trains with 5 steps and tests with 10 (set `steps`).

    Attributes:
        weights: (K, C), the weight of each kernel for each class.
        compatibility: (C, C), the cost of a class (row) beside another (column); initially minus the identity.
    """

    def __init__(self, num_classes: int, crf: CRF | None = None) -> None:
        super().__init__()
        self.crf = crf or CRF(steps=5)
        self.steps = self.crf.steps
        self.weights = nn.Parameter(
            torch.tensor([[k.weight] * num_classes for k in self.crf.kernels], dtype=torch.float32)
        )
        self.compatibility = nn.Parameter(-torch.eye(num_classes))

    def forward(self, logits: Tensor, images: Tensor) -> Tensor:
        """Refine logits.

        Args:
            logits: (B, C, H, W), the output of the network before softmax.
            images: (B, 3, H, W) uint8, the images at that size.

        Returns:
            (B, C, H, W): logits, for a cross-entropy.
        """
        check_images(logits, images)
        unary = logits.flatten(2).mT  # (B, N, C)
        updated = unary
        lattices = list(build_lattices(images, self.crf.kernels, logits.dtype))
        for _ in range(self.steps):
            pairs = zip(updated.softmax(-1), lattices, strict=True)
            messages = torch.stack([self._message(q, of_image) for q, of_image in pairs])
            updated = unary - messages @ self.compatibility.mT  # (B, N, C)
        refined: Tensor = updated.mT.unflatten(2, images.shape[-2:])
        return refined

    def _message(self, q: Tensor, lattices: Sequence[Lattice]) -> Tensor:
        """Return the weighted sum of the filtered probabilities of one image, (N, C)."""
        weighted = [weight * lattice.filter(q) for weight, lattice in zip(self.weights, lattices, strict=True)]
        total: Tensor = sum(weighted[1:], weighted[0])
        return total  # (N, C)
