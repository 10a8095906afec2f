"""Colour jitter: random brightness, contrast, saturation and hue as one linear map of the colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...types import Array

LUMA = np.array([0.299, 0.587, 0.114])
"""The grey value of RGB (ITU-R BT.601)."""

YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""RGB to luma and the two axes of colour, in which a change of hue is a rotation."""

FROM_YIQ = np.linalg.inv(YIQ)


_MAXIMA = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}


@dataclass(frozen=True)
class Jitter:
    """Random brightness, contrast, saturation and hue, applied as one 3×3 matrix and one offset.

    The order is fixed: brightness, contrast (about the mean grey of the window), saturation, hue; and values are
    clipped to 0…255 once, at the end. torchvision's ColorJitter draws the order, clips after each step, and shifts hues
    in HSV; here hue is a rotation of the colour plane of YIQ, which keeps the luma. Grey pixels stay grey.

    Attributes:
        brightness, contrast, saturation: the factor is drawn from [1 − value, 1 + value]; in [0, 1].
        hue: the rotation is drawn from [−value, value], in whole turns; in [0, 0.5].

    Raises:
        ValueError: a value is outside its range.
    """

    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.03

    def __post_init__(self) -> None:
        for name, maximum in _MAXIMA.items():
            value = getattr(self, name)
            if not 0 <= value <= maximum:
                raise ValueError(f"{name} of the jitter is {value}: give a number from 0 to {maximum:g}")

    def matrix(self, draws: Array, grey: float) -> Array:
        """(3, 4) float64: [M | offset] for pixels in 0…255.

        Args:
            draws: (4,) in [−1, 1]: where brightness, contrast, saturation and hue lie between their limits.
            grey: mean luma of the pixels, 0 to 255.
        """
        bright, contrast, saturation = 1 + draws[:3] * (self.brightness, self.contrast, self.saturation)
        angle = 2 * np.pi * self.hue * draws[3]
        turn = np.eye(3)
        turn[1:, 1:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        turn[1:, 1:] *= saturation
        matrix = bright * contrast * FROM_YIQ @ turn @ YIQ
        return np.column_stack([matrix, np.full(3, (1 - contrast) * bright * grey)])
