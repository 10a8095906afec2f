"""`pixelwise convert`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .. import exit_codes, values
from ..checks import check_exists
from ..flags import add_constructor, constructor_of
from ..known_names import LAYOUTS, METHODS

SUMMARY = "turn weights of another library into a checkpoint"
USAGE = "pixelwise convert FILE --layout NAME --model NAME --out CHECKPOINT [flags]"
EXAMPLES = (
    "pixelwise convert theirs.pth --layout milesial --model unet_padded --out model.safetensors",
    "pixelwise convert theirs.pth --layout smp --model unet --backbone resnet34 --classes background,cell "
    "--out model.safetensors",
)


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument("file", metavar="FILE", help="weights: a state dict of PyTorch, or safetensors")
    layout = f"library whose names the tensors have: {', '.join(LAYOUTS)}"
    parser.add_argument("--layout", required=True, type=values.one_of(LAYOUTS), metavar="NAME", help=layout)
    method = "method of the weights (pixelwise models lists them)"
    parser.add_argument("--model", required=True, type=values.one_of(METHODS), metavar="NAME", help=method)
    out = "checkpoint to write: model.safetensors"
    parser.add_argument("--out", required=True, type=Path, metavar="CHECKPOINT", help=out)
    classes = "names of the classes in their order, background,cell; or voc, cityscapes, ade20k … (default: numbers)"
    parser.add_argument("--classes", type=values.class_names, metavar="A,B,…", help=classes)
    add_constructor(parser)


def run(options: Namespace) -> int:
    """Run the command; return its exit code."""
    check_exists("FILE", options.file)
    from ...weights.convert_weights import convert

    converted = convert(
        options.file,
        options.layout,
        options.model,
        options.out,
        classes=options.classes,
        arguments=constructor_of(options),
    )
    for name, reason in converted.unused.items():
        print(f"not used: {name}: {reason}")
    for note in converted.notes:
        print(f"note: {note}")
    print(f"{options.out}\nnext: pixelwise predict --model {options.out} --source IMAGES")
    return exit_codes.DONE
