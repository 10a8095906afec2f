"""Flags that name a trained model and say how it predicts."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, _ActionsContainer
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import values
from .checks import check_class_files, check_trained
from .known_names import PRECISIONS

if TYPE_CHECKING:
    from ..inference.predictor import Predictor
    from ..postprocess.chain import Chain


def add_model(parser: ArgumentParser) -> None:
    """Add --model."""
    checkpoint = "checkpoint (.safetensors), folder of a run, or published checkpoint (pixelwise models lists them)"
    parser.add_argument("--model", required=True, metavar="CHECKPOINT", help=checkpoint)


def add_prediction(parser: ArgumentParser) -> None:
    """Add the flags that say how the model predicts, as a group."""
    group = parser.add_argument_group("prediction")
    device = f"{values.DEVICE_NAMES} (default: %(default)s, the first GPU if there is one)"
    group.add_argument("--device", type=values.device, default="auto", metavar="NAME", help=device)
    precision = f"{' or '.join(PRECISIONS)} (default: %(default)s)"
    group.add_argument(
        "--precision", type=values.one_of(PRECISIONS), default=PRECISIONS[0], metavar="NAME", help=precision
    )
    group.add_argument("--flip", action="store_true", help="average with the prediction of the mirrored image")
    scales = "average over these scales of the image: 0.75,1,1.25 (default: 1)"
    group.add_argument("--scales", type=values.scales, default=(1.0,), metavar="A,B,…", help=scales)
    tile = """cut images into tiles of this side, pixels; an object that lies in several tiles is put together again
        (default: 1024 for images of more than 1536x1536 pixels, no tiles for instance models that resize images)"""
    group.add_argument("--tile", type=values.whole(1), metavar="PIXELS", help=tile)
    share = values.number("a share from 0 to below 1", lambda value: 0 <= value < 1)
    overlap = "share of a tile that overlaps with its neighbour, from 0 to below 1 (default: %(default)s)"
    group.add_argument("--overlap", type=share, default=0.25, metavar="SHARE", help=overlap)
    limit = "largest number of objects of an image, or of a tile (default: that of the checkpoint)"
    group.add_argument("--max-detections", type=values.whole(1), metavar="N", help=limit)
    add_register(group)


def add_register(group: _ActionsContainer) -> None:
    """Add --register."""
    text = """run a Python file and register its model class: for checkpoints made with a class of your own; may be
        given several times"""
    group.add_argument("--register", action="append", default=[], metavar="FILE.py:CLASS", help=text)


def add_score_threshold(parser: ArgumentParser, default: str) -> None:
    """Add --score-threshold.

    Args:
        parser: of a command.
        default: the value without the flag, in words.
    """
    share = values.number("a number from 0 to 1", lambda value: 0 <= value <= 1)
    text = f"drop objects with a lower confidence score, 0 to 1; instance methods only (default: {default})"
    parser.add_argument("--score-threshold", type=share, metavar="SCORE", help=text)


def check_model(options: Namespace) -> None:
    """Refuse a model or a model class that does not exist, before PyTorch is imported.

    Raises:
        UsageError, FileNotFoundError: as `check_trained` and `check_class_files`.
    """
    check_class_files(options.register)
    check_trained("--model", options.model)


def register_classes(specs: Sequence[str]) -> None:
    """Run the files of --register and register their classes.

    Raises:
        FileNotFoundError, ValueError, TypeError: as `weights.registration.register_from`.
    """
    if not specs:
        return
    from ..weights.registration import register_from

    for spec in specs:
        register_from(spec)


def make_predictor(options: Namespace, chain: Chain | None = None) -> Predictor:
    """Load the model of --model and set it up as the flags say.

    Args:
        options: of a command with the flags of `add_model` and `add_prediction`.
        chain: the post-processing that replaces that of the checkpoint.

    Raises:
        FileNotFoundError, ValueError: as `pixelwise.load` and `Predictor`.
    """
    from ..inference.detection_limit import limit_detections
    from ..inference.predictor import Predictor
    from ..weights.checkpoint import LAST, file_of_run, load

    register_classes(options.register)
    model = load(options.model)
    file = file_of_run(options.model)
    if file.name == LAST and file != Path(options.model):
        print(
            f"note: {file} is used: no epoch of the run has a score, so that no weights are the best", file=sys.stderr
        )
    if options.max_detections is not None:
        limit_detections(model, options.max_detections)
    if model.postprocess:
        steps = ", ".join(f"{name}={value}" for name, value in model.postprocess.to_dict().items())
        replaced = "" if chain is None else "; the flags replace it"
        print(f"note: the post-processing of the checkpoint is {steps}{replaced}", file=sys.stderr)
    return Predictor(
        model,
        device=options.device,
        flip=options.flip,
        scales=options.scales,
        tile=options.tile,
        overlap=options.overlap,
        precision=options.precision,
        postprocess=chain,
        score_threshold=vars(options).get("score_threshold"),
        intensity=options.range,
    )
