"""Quotients and means in which nan stands for an undefined score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def divide(numerator: NDArray[Any], denominator: NDArray[Any]) -> Values:
    """Divide; nan where the denominator is 0."""
    quotient: Values = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) > 0)
    return quotient


def mean(values: Values) -> Values:
    """Return the mean over the last axis of the values that are not nan; nan where all are."""
    return divide(np.nansum(values, -1), np.isfinite(values).sum(-1))
