"""`pixelwise evaluate`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace

from .. import exit_codes
from ..chain_options import add_chain, chain_of, check_chain
from ..checks import check_data
from ..data_options import TRAINED, add_data, add_folders, add_reading, folders_of, open_as_trained
from ..flags import add_boundary, add_json, add_out
from ..model_options import add_model, add_prediction, add_score_threshold, check_model, make_predictor

SUMMARY = "score a model on images with masks that it has not seen"
USAGE = "pixelwise evaluate --model CHECKPOINT --data FOLDER [flags]"
EXAMPLES = (
    "pixelwise evaluate --model runs/train --data cells",
    "pixelwise evaluate --model runs/train --data cells --split test --flip --scales 0.75,1,1.25 --boundary 2",
)


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model(parser)
    add_data(parser, "val")
    add_out(parser, "runs/evaluate")
    add_json(parser, "scores")
    add_boundary(parser, None)
    add_score_threshold(parser, "none, as average precision ranks all objects")
    add_reading(parser, TRAINED)
    add_folders(parser)
    add_prediction(parser)
    add_chain(parser)


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    check_model(options)
    check_data("--data", options.data)
    check_chain(options)
    from ...evaluation.scoring import evaluate

    predictor = make_predictor(options, chain_of(options))
    dataset = open_as_trained(options, predictor.model.record, folders_of(options))
    evaluation = evaluate(predictor, dataset, boundary=options.boundary)
    evaluation.write(options.out)
    print(json.dumps(evaluation.to_dict(), indent=2, allow_nan=False) if options.json else evaluation.table())
    print(f"page: {options.out / 'index.html'}", file=sys.stderr)
    return exit_codes.SOME_FAILED if evaluation.failures else exit_codes.DONE
