"""`pixelwise inspect`."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from .. import exit_codes, values
from ..checks import check_data
from ..data_options import EVERYTHING, RECOGNISED, add_data, add_folders, add_reading, folders_of, reading_of, split_of
from ..flags import add_json, add_out
from ..known_names import AUGMENTATIONS

SUMMARY = "show the data as the network sees them, and every problem, on one page"
USAGE = "pixelwise inspect --data FOLDER [flags]"
EXAMPLES = (
    "pixelwise inspect --data cells",
    "pixelwise inspect --data cells --split train --augment strong --out runs/look",
)


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    add_data(parser, EVERYTHING)
    side = "side of the training crops that are shown, pixels (default: %(default)s)"
    parser.add_argument("--imgsz", type=values.whole(1), default=256, metavar="PIXELS", help=side)
    augment = f"augmentation that is shown: {', '.join(AUGMENTATIONS)} (default: %(default)s)"
    parser.add_argument("--augment", type=values.one_of(AUGMENTATIONS), default="default", metavar="NAME", help=augment)
    add_out(parser, "runs/inspect")
    add_json(parser, "findings")
    add_reading(parser, RECOGNISED)
    add_folders(parser)


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    check_data("--data", options.data)
    from ...inspection.report import inspect

    inspection = inspect(
        options.data,
        options.out,
        split=split_of(options),
        reading=reading_of(options) | folders_of(options),
        imgsz=options.imgsz,
        augment=options.augment,
    )
    print(json.dumps(inspection.to_dict(), indent=2) if options.json else inspection.table())
    return exit_codes.SOME_FAILED if inspection.errors else exit_codes.DONE
