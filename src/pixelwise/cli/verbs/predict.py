"""`pixelwise predict`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .. import exit_codes, values
from ..chain_options import add_chain, chain_of, check_chain
from ..checks import check_sources
from ..data_options import add_range
from ..flags import add_out
from ..known_names import RESULT_FORMATS, SPLITS
from ..model_options import add_model, add_prediction, add_score_threshold, check_model, make_predictor

SUMMARY = "write masks, overlays and tables for images"
USAGE = "pixelwise predict --model CHECKPOINT --source IMAGES [IMAGES …] [flags]"
EXAMPLES = (
    "pixelwise predict --model runs/train --source new/*.jpg",
    "pixelwise predict --model runs/objects --source new --write overlay,coco,table --score-threshold 0.5",
)

FORMATS = """overlay (image with the result drawn on it), class-map (PNG of classes), label-map (16-bit PNG of
    segment numbers), coco (JSON with run lengths), coco-panoptic (JSON and PNGs), yolo (text files of polygons), table
    (CSV with class, score, area, box and centre of each object, and the totals of the classes); several: overlay,table
    (default: overlay,class-map; for instance methods overlay,table; for panoptic ones overlay,coco-panoptic)"""


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    add_model(parser)
    source = "images, folders or patterns like 'new/*.tif'"
    parser.add_argument("--source", required=True, nargs="+", metavar="IMAGES", help=source)
    parser.add_argument("--write", type=values.some_of(RESULT_FORMATS), metavar="FORMAT,…", help=FORMATS)
    split = f"""how the table tells the objects of a semantic method apart: {" or ".join(SPLITS)}, which parts touching
        ones too (default: %(default)s)"""
    parser.add_argument("--split-objects", type=values.one_of(SPLITS), default=SPLITS[0], metavar="NAME", help=split)
    add_out(parser, "runs/predict")
    add_score_threshold(parser, "0.3")
    add_range(parser, "that of the model")
    add_prediction(parser)
    add_chain(parser)


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    check_model(options)
    check_sources(options.source)
    check_chain(options)
    from ...inference.folder import predict_files

    predicted = predict_files(
        make_predictor(options, chain_of(options)),
        options.source,
        options.out,
        formats=options.write,
        split_objects=options.split_objects,
    )
    print(predicted.summary())
    return exit_codes.SOME_FAILED if predicted.failed else exit_codes.DONE
