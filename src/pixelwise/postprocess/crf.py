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
    """The two kernels that DeepLab made customary, as a step after any network that tells class probabilities.

    Attributes:
        pos_w: weight of the kernel of position alone.
        pos_xy: its standard deviation, pixels.
        bi_w: weight of the kernel of position and colour.
        bi_xy: its standard deviation of the position, pixels.
        bi_rgb: its standard deviation of the colour, for channels of 0 to 255.
        steps: steps of mean-field inference.
        normalization: "symmetric" as pydensecrf, "after" as DeepLab's own program; see `ops.permutohedral.Lattice`.
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
        """The kernels whose weight is not 0."""
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
            (C, H, W) float32: probabilities.
        """
        with torch.inference_mode():
            return mean_field(probabilities[None].float(), image[None], self.kernels, self.steps)[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for YAML and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CRF:
        """The CRF of plain values; what is not given is the default.

        Raises:
            ValueError: for a key that it does not have, naming the nearest one; for a value that is no number.
        """
        check_keys(record, cls, "a CRF has no key")
        return cls(**record)

    @classmethod
    def parse(cls, text: str) -> CRF:
        """The CRF of a name in `PARAMETERS`, or of changes to the defaults: "bi_xy=50,bi_rgb=5".

        A name may stand first: "deeplabv2-voc,steps=5".

        Raises:
            ValueError: for a name, key or value that does not exist, naming the nearest one.
        """
        name, *changes = text.split(",") if "=" not in text.split(",")[0] else ("", *text.split(","))
        if name and name not in PARAMETERS:
            raise ValueError(f"there is no CRF {name!r}: {suggest(name, PARAMETERS)}")
        record = PARAMETERS[name].to_dict() if name else {}
        for change in changes:
            key, _, value = (part.strip() for part in change.partition("="))
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
    """The CRF as the last layers of a network, whose kernels' weights and compatibility are learned with it.

    Zheng et al.: "Conditional Random Fields as Recurrent Neural Networks", ICCV 2015. The widths of the kernels are
    fixed, as there. It starts as `crf`.

    Args:
        num_classes: C.
        crf: parameters to start with; the paper trains with 5 steps and tests with 10 (`steps` may be set).

    Attributes:
        weights: (K, C), of each kernel for each class.
        compatibility: (C, C), the cost of a class (row) beside another (column); minus the identity at the start.
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
        """Refine scores.

        Args:
            logits: (B, C, H, W), the network's scores before softmax.
            images: (B, 3, H, W) uint8, the images at that size.

        Returns:
            (B, C, H, W): scores before softmax, for a cross-entropy.
        """
        check_images(logits, images)
        unary = logits.flatten(2).mT  # (B, N, C)
        found = unary
        lattices = list(build_lattices(images, self.crf.kernels, logits.dtype))
        for _ in range(self.steps):
            messages = torch.stack([self._message(q, l) for q, l in zip(found.softmax(-1), lattices, strict=True)])
            found = unary - messages @ self.compatibility.mT  # (B, N, C)
        refined: Tensor = found.mT.unflatten(2, images.shape[-2:])
        return refined

    def _message(self, found: Tensor, lattices: Sequence[Lattice]) -> Tensor:
        weighted = [weight * lattice.filter(found) for weight, lattice in zip(self.weights, lattices, strict=True)]
        total: Tensor = sum(weighted[1:], weighted[0])
        return total  # (N, C)
