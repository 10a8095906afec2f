"""`pixelwise build-panoptic`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import exit_codes, values
from ..checks import check_data
from ..data_options import RECOGNISED, add_reading, reading_of
from ..parser import UsageError

SUMMARY = "build panoptic data from class masks, objects or both, and show their conflicts"
USAGE = "pixelwise build-panoptic [--semantic MASKS] [--instances OBJECTS] --out FOLDER [flags]"
EXAMPLES = (
    "pixelwise build-panoptic --semantic masks --instances objects --out panoptic",
    "pixelwise build-panoptic --semantic masks --things car,person --smallest 20 --out panoptic",
)

RESTS = ("background", "void")


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    semantic = "data with class masks; without --instances the connected parts of things are the objects"
    parser.add_argument("--semantic", metavar="MASKS", help=semantic)
    instances = "data with objects (COCO, YOLO, label maps, VOC), paired with the masks by name"
    parser.add_argument("--instances", metavar="OBJECTS", help=instances)
    out = "folder to write, in the format COCO panoptic; conflicts are shown in FOLDER/conflicts"
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help=out)
    group = parser.add_argument_group("objects and stuff")
    things = "classes that are things, beside those of the objects: car,person (default: none)"
    group.add_argument("--things", type=values.split, default=(), metavar="A,B,…", help=things)
    rest = "meaning of pixels of no object, where there are no masks: background or void (default: %(default)s)"
    group.add_argument("--rest", type=values.one_of(RESTS), default=RESTS[0], metavar="NAME", help=rest)
    smallest = "smallest area of an object that is a connected part of a mask, pixels; smaller ones become void"
    group.add_argument(
        "--smallest", type=values.whole(0), default=0, metavar="PIXELS", help=f"{smallest} (default: %(default)s)"
    )
    add_reading(parser, RECOGNISED)


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    if options.semantic is None and options.instances is None:
        raise UsageError("nothing to build from: give --semantic MASKS, --instances OBJECTS or both")
    for flag, path in (("--semantic", options.semantic), ("--instances", options.instances)):
        if path is not None:
            check_data(flag, path)
    from ...panoptic_building.build import build_panoptic

    building = build_panoptic(
        options.out,
        semantic=options.semantic,
        instances=options.instances,
        things=options.things,
        rest=options.rest,
        smallest=options.smallest,
        reading=reading_of(options),
    )
    print(f"{building.table()}\nnext: pixelwise inspect --data {building.out}")
    return exit_codes.SOME_FAILED if building.left_out else exit_codes.DONE
