"""The fully connected CRF: class probabilities that follow the edges of the picture.

Krähenbühl, Koltun: "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS 2011, as pydensecrf
implements it: a class map agrees with its on all but a few pixels in a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ..ops.names import nearest
from ..ops.permutohedral import NORMALIZATIONS, Lattice

FLOOR = 1e-5
"""Probabilities below are raised to this, so that no class is ever impossible (pydensecrf's rule)."""


@dataclass(frozen=True)
class Kernel:
    """One Gaussian kernel between all pairs of pixels.

    Attributes:
        weight: what pixels that are near each other add to each other's classes. A number is the Potts model: equal
            classes gain that much. (C,) and (C, C) tensors are added as *costs*, as in pydensecrf: −w for each
            class, and −w times the identity, say the same as the number w. A matrix is made symmetric.
        xy: standard deviation of the position, pixels; one number, or (x, y).
        rgb: standard deviation of the colour, for channels of 0 to 255; None: position alone.
        normalization: see `Lattice`.
    """

    weight: float | Tensor
    xy: float | tuple[float, float]
    rgb: float | tuple[float, float, float] | None = None
    normalization: str = "symmetric"


def mean_field(probabilities: Tensor, images: Tensor, kernels: Sequence[Kernel], steps: int = 10) -> Tensor:
    """Mean-field inference: Q ← softmax(−U − Σ_k compatibility_k(filter_k(Q))), all pixels at once.

    Args:
        probabilities: (B, C, H, W) float.
        images: (B, 3, H, W) uint8, or float from 0 to 255.
        kernels: their messages are added.
        steps: how often.

    Returns:
        (B, C, H, W): the probabilities after inference.
    """
    unary = probabilities.clamp_min(FLOOR).log()
    size = images.shape[-2:]
    results = []
    for score, image in zip(unary.flatten(2).mT.contiguous(), images, strict=True):  # (N, C), (3, H, W)
        lattices = [Lattice(_features(image, kernel, score.dtype), kernel.normalization) for kernel in kernels]
        found = score.softmax(1)
        for _ in range(steps):
            logits = score
            for kernel, lattice in zip(kernels, lattices, strict=True):
                logits = logits + _gain(lattice.filter(found), kernel.weight)
            found = logits.softmax(1)
        results.append(found.mT.unflatten(1, size))
    return torch.stack(results)


def _gain(message: Tensor, weight: float | Tensor) -> Tensor:
    if not isinstance(weight, Tensor):
        return message * weight
    return -message * weight if weight.ndim == 1 else message @ ((weight + weight.mT) / -2)


def _features(image: Tensor, kernel: Kernel, dtype: torch.dtype) -> Tensor:
    """(N, 2) x and y, or (N, 5) with the colour, in standard deviations."""
    height, width = image.shape[-2:]
    sx, sy = kernel.xy if isinstance(kernel.xy, tuple) else (kernel.xy, kernel.xy)
    x = torch.arange(width, dtype=dtype, device=image.device) / sx
    y = torch.arange(height, dtype=dtype, device=image.device) / sy
    planes = [x.expand(height, -1), y[:, None].expand(-1, width)]
    if kernel.rgb is not None:
        deviations = kernel.rgb if isinstance(kernel.rgb, tuple) else (kernel.rgb,) * 3
        planes += [image[k].to(dtype) / deviations[k] for k in range(3)]
    return torch.stack(planes, -1).flatten(0, 1)


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
        """Refine the probabilities of one picture.

        Args:
            probabilities: (C, H, W) float.
            image: (3, H, W) uint8, RGB: the original picture at the size of the probabilities.

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
        names = [field.name for field in fields(cls)]
        for key in record:
            if key not in names:
                raise ValueError(f"a CRF has no key {key!r}: {nearest(str(key), names)}")
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
            raise ValueError(f"there is no CRF {name!r}: {nearest(name, PARAMETERS)}")
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
"""Published parameters. DeepLab's own program normalizes after filtering; deeplab-pytorch (the two of v2 with ResNet-101)
uses pydensecrf, whose example is the last row."""
