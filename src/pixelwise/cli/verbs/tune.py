"""`pixelwise tune`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .. import exit_codes, values
from ..checks import check_data
from ..data_options import TRAINED, add_data, add_reading, open_as_trained
from ..flags import add_boundary
from ..model_options import add_model, add_prediction, check_model, make_predictor

SUMMARY = "search for post-processing that raises the score, and keep it in the checkpoint"
USAGE = "pixelwise tune --model CHECKPOINT --data FOLDER [flags]"
EXAMPLES = (
    "pixelwise tune --model runs/train --data cells --dry-run",
    "pixelwise tune --model runs/train --data cells --areas --budget 50 --images 100",
)

FEWEST_IMAGES = 4
"""Half of the images are for the search, the other half for the verdict; either needs two."""


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model(parser)
    add_data(parser, "val")
    parser.add_argument("--dry-run", action="store_true", help="report only, and leave the checkpoint as it is")
    group = parser.add_argument_group("search")
    budget = "number of CRFs that are tried (default: %(default)s)"
    group.add_argument("--budget", type=values.whole(0), default=24, metavar="N", help=budget)
    areas = "search the areas of --fill-holes, --merge-below and --drop-below too"
    group.add_argument("--areas", action="store_true", help=areas)
    images = "maximum number of images, for search and verdict together (default: %(default)s)"
    group.add_argument("--images", type=values.whole(FEWEST_IMAGES), default=60, metavar="N", help=images)
    seed = "seed of every random draw (default: %(default)s)"
    group.add_argument("--seed", type=values.whole(0), default=0, metavar="N", help=seed)
    add_boundary(group, 2)
    add_reading(parser, TRAINED)
    add_prediction(parser)


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    check_model(options)
    check_data("--data", options.data)
    from ...tuning import tune

    predictor = make_predictor(options)
    tuning = tune(
        predictor,
        open_as_trained(options, predictor.model.record),
        budget=options.budget,
        areas=options.areas,
        images=options.images,
        boundary=options.boundary,
        seed=options.seed,
    )
    print(tuning.table())
    if not options.dry_run and tuning.apply(options.model):
        print(f"kept in {options.model}: predict and evaluate use it from now on, unless --plain is given")
    return exit_codes.DONE
