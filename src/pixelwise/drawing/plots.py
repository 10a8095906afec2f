"""Plots of a training run and of intensities, drawn by matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..types import Array

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""The colours of the curves: those of Okabe and Ito, told apart with every common form of colour blindness."""

HISTOGRAM_COLORS = ("#d55e00", "#009e73", "#0072b2")
"""The colours of the red, green and blue channels."""

PANEL = (3.2, 2.4)
"""The width and the height of the panel of a curve, inches."""

MAX_COLUMNS = 3


def curves(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> str:
    """Plot columns of a table over the epochs, each in a panel of its own with its own range.

    Args:
        rows: a row for each epoch, with its number as "epoch"; values may be missing, nan or infinite.
        names: the columns to plot, of which those are left out that no row has.

    Returns:
        An SVG image; the same rows give the same text.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    measured_names = {name for row in rows for name in row}
    present = [name for name in names if name in measured_names]
    columns = max(1, min(MAX_COLUMNS, len(present)))
    lines = max(1, math.ceil(len(present) / columns))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "pixelwise"}):
        figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * lines), layout="constrained")
        for k, name in enumerate(present):
            measured = [row for row in rows if math.isfinite(row.get(name, math.nan))]
            axes = figure.add_subplot(lines, columns, k + 1)
            epochs = [row["epoch"] for row in measured]
            values = [row[name] for row in measured]
            axes.plot(epochs, values, color=COLORS[k % len(COLORS)], marker="." if len(values) < 2 else "", gid=name)
            axes.set_title(name, fontsize="medium")
            axes.set_xlabel("epoch")
            axes.grid(alpha=0.3)
        image = io.StringIO()
        figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()


def histogram(counts: Array, limits: Sequence[tuple[float, float]]) -> Array:
    """Plot how often each value occurs, on a logarithmic axis.

    Args:
        counts: (3, N) numbers of pixels, for red, green and blue; bins of equal width.
        limits: the values of the first and the last bin, of all channels or of each.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    is_grey = bool((counts == counts[0]).all())
    figure = Figure(figsize=(2 * PANEL[0], PANEL[1]), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for channel, color in enumerate(HISTOGRAM_COLORS[:1] if is_grey else HISTOGRAM_COLORS):
        low, high = limits[channel % len(limits)]
        values = np.linspace(low, high, counts.shape[1])
        axes.step(values, counts[channel], where="mid", color="#555555" if is_grey else color)
    axes.set_yscale("symlog")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("value in the files")
    axes.set_ylabel("pixels")
    axes.grid(alpha=0.3)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
