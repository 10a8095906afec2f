"""Messages of a run: the line about an epoch, and the error when the numbers diverge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..run_folder import LAST


def epoch_line(row: Mapping[str, float], score: str, best: bool) -> str:
    """Return one line about a finished epoch.

    Args:
        row: as in metrics.csv.
        score: the name of the main score, which only validated epochs have.
        best: whether this epoch has the best score so far.
    """
    scores = ""
    if score in row:
        scores = f", {score} {row[score]:.4f}{' (best)' if best else ''}"
    return (
        f"epoch {row['epoch']:g}: loss {row['loss']:.4f}{scores}, {row['seconds']:.1f} s, "
        f"{row['waiting']:.0%} of it waiting for images"
    )


def divergence_message(folder: Path, what: str, names: Sequence[str] = ()) -> str:
    """Return the message of a run whose numbers are no longer finite, with what usually helps.

    Args:
        folder: of the run, whose last good weights are named if it has any.
        what: the number that is not finite.
        names: of the images of the step, when they are known.
    """
    images = f" (images: {', '.join(names)})" if names else ""
    last = folder / LAST
    kept = f"; the last good weights are in {last}" if last.exists() else ""
    return (
        f"{what}{images}{kept}. Try a lower --lr, a longer --warmup, --clip 1 or --precision fp32; "
        "`pixelwise inspect` finds damaged images and masks"
    )
