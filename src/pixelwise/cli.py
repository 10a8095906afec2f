"""The command `pixelwise`: one subcommand a verb, each a thin door to the function of the same name."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .training.recipe import Machine, Recipe

if TYPE_CHECKING:
    from .data.dataset import Dataset
    from .inference.predictor import Predictor

DONE, SOME_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

OVERVIEW = """\
Image segmentation on your own pictures: from a folder to masks.

  pixelwise demo                                              the whole way on bundled pictures, two minutes
  pixelwise inspect  --data cells                             what the network will see, and what is wrong with the data
  pixelwise train    --data cells --model unet                a trained model in runs/train
  pixelwise evaluate --model runs/train --data cells          scores on pictures that it has not seen
  pixelwise predict  --model runs/train --source new/*.jpg    masks, overlays and files in runs/predict
"""
ENDINGS = "exit codes: 0 done, 1 something failed or was found wrong, 2 wrong input, 130 interrupted (Ctrl-C)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `pixelwise`; those of the process when not given.

    Returns:
        The exit code: 0 done, 1 some pictures failed or problems were found, 2 wrong input, 130 interrupted.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        options.verb.error(_unknown_flags(options.verb, unknown))
    # Threads that wait for each other give the core away sooner: free when the machine is idle, twice as fast when not.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("pixelwise: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError, KeyError, TypeError, ImportError, FloatingPointError) as error:
        if options.debug:
            raise
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"pixelwise {options.command}: {text}", file=sys.stderr)
        return WRONG_INPUT


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "epilog": ENDINGS,
        "allow_abbrev": False,
    }
    parser = argparse.ArgumentParser("pixelwise", description=OVERVIEW, **shape)
    parser.add_argument("--version", action="version", version=f"pixelwise {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    verbs: list[tuple[str, str, Callable[..., None], Callable[..., int]]] = [
        ("demo", "train, evaluate and draw on the bundled pictures of nuclei", _demo_flags, _demo),
        ("inspect", "one page that shows what the network will see, and every problem of the data", _look, _inspect),
        ("train", "train a model on a folder of pictures and masks", _train_flags, _train),
        ("evaluate", "score a model on pictures with masks", _evaluate_flags, _evaluate),
        ("predict", "masks, overlays and files for pictures", _predict_flags, _predict),
        ("models", "the methods there are", lambda verb: None, _models),
    ]
    for name, text, flags, run in verbs:
        verb = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", **shape)
        verb.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
        verb.set_defaults(run=run, verb=verb)
        flags(verb)
    return parser


def _unknown_flags(verb: argparse.ArgumentParser, unknown: Sequence[str]) -> str:
    """What to say about words that a verb does not know; the nearest flag for each that looks like one."""
    flags = [flag for action in verb._actions for flag in action.option_strings]
    near = {word: get_close_matches(word.partition("=")[0], flags, 1) for word in unknown if word.startswith("-")}
    hints = [f"{word} (did you mean {found[0]}?)" if found else word for word, found in near.items()]
    return f"there is no {', '.join(hints or unknown)}; --help lists what there is"


# --- flags -----------------------------------------------------------------------------------------------------------


def _data_flags(verb: argparse.ArgumentParser, split: str) -> None:
    verb.add_argument("--data", required=True, help="folder or list file of the pictures and masks")
    verb.add_argument("--split", default=split, help="which part of the data; all: everything (default: %(default)s)")
    verb.add_argument("--format", help="mask-folder, label-map, voc or coco; found by looking when not given")
    names = "names of the classes, in the order of their values: background,cell; evaluate knows those of the training"
    verb.add_argument("--classes", help=names)
    verb.add_argument("--void", help="mask values that belong to no class: 255 or 0,255")
    verb.add_argument("--colors", help="colours of RGB masks: 'sky=0,0,255;road=128,64,128'")


def _model_flags(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--model", required=True, help="a checkpoint (.safetensors), or the folder of a training run")
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 … (default: %(default)s)")
    verb.add_argument("--flip", action="store_true", help="average with the prediction of the mirrored picture")
    verb.add_argument("--scales", default="1", help="average over sizes: 0.75,1,1.25 (default: %(default)s)")
    verb.add_argument("--tile", type=int, help="side of the tiles for large pictures, pixels; chosen when not given")
    verb.add_argument(
        "--overlap", type=float, default=0.25, help="share of a tile that overlaps (default: %(default)s)"
    )
    verb.add_argument("--precision", default="fp32", choices=("fp32", "bf16"), help="default: %(default)s")


def _out_flag(verb: argparse.ArgumentParser, default: str) -> None:
    verb.add_argument("--out", default=default, type=Path, help="folder for what is written (default: %(default)s)")


def _demo_flags(verb: argparse.ArgumentParser) -> None:
    _out_flag(verb, "runs/demo")


def _look(verb: argparse.ArgumentParser) -> None:
    _data_flags(verb, "all")
    _out_flag(verb, "runs/inspect")
    verb.add_argument("--imgsz", type=int, default=256, help="side of the training crops shown (default: %(default)s)")
    verb.add_argument(
        "--augment", default="default", help="none, light, default, strong or topdown (default: %(default)s)"
    )
    verb.add_argument("--json", action="store_true", help="print the findings as JSON")


def _train_flags(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--recipe", type=Path, help="a YAML file with any of the recipe's keys; flags win over it")
    recipe = verb.add_argument_group("recipe", "what decides the weights; saved in full as recipe.yaml")
    machine = verb.add_argument_group("machine", "what the training runs on")
    for group, kind in ((recipe, Recipe), (machine, Machine)):
        for field in dataclasses.fields(kind):
            default = (
                f" (default: {_shown(field.default)})" if field.default not in (None, (), dataclasses.MISSING) else ""
            )
            text = f"{field.metadata['help']}{default}".replace("%", "%%")
            group.add_argument(f"--{field.name.replace('_', '-')}", default=argparse.SUPPRESS, help=text)
    verb.add_argument(
        "--out", type=Path, help="folder of the run (default: runs/train, or the next free runs/train2, …)"
    )
    verb.add_argument("--resume", action="store_true", help="continue the run in --out, or the newest of runs/train*")


def _evaluate_flags(verb: argparse.ArgumentParser) -> None:
    _data_flags(verb, "val")
    _model_flags(verb)
    _out_flag(verb, "runs/evaluate")
    verb.add_argument("--json", action="store_true", help="print the scores as JSON")


def _predict_flags(verb: argparse.ArgumentParser) -> None:
    _model_flags(verb)
    verb.add_argument("--source", required=True, nargs="+", help="pictures, folders or patterns like 'new/*.tif'")
    verb.add_argument(
        "--write", default="overlay,class-map", help="overlay, class-map, label-map, coco (default: %(default)s)"
    )
    _out_flag(verb, "runs/predict")


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


# --- verbs -----------------------------------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> int:
    from .demo import show

    show(options.out)
    return DONE


def _inspect(options: argparse.Namespace) -> int:
    from .inspection import inspect

    found = inspect(
        options.data,
        options.out,
        split=None if options.split == "all" else options.split,
        reading=_reading(options),
        imgsz=options.imgsz,
        augment=options.augment,
    )
    print(json.dumps(found.to_dict(), indent=2) if options.json else found.table())
    return SOME_FAILED if found.errors else DONE


def _train(options: argparse.Namespace) -> int:
    from .training.checkpoint import RECIPE, claim_folder
    from .training.run import train

    given = {key: value for key, value in vars(options).items() if value is not None}
    machine = Machine(**{f.name: given[f.name] for f in dataclasses.fields(Machine) if f.name in given})
    changes = {f.name: given[f.name] for f in dataclasses.fields(Recipe) if f.name in given}
    if not (options.recipe or options.resume or "data" in changes):
        raise ValueError("nothing to train on: give --data FOLDER, or --recipe FILE")
    file = options.recipe or (claim_folder(options.out, resume=True) / RECIPE if options.resume else None)
    recipe = Recipe.from_yaml(file, changes) if file else Recipe.from_dict(changes)
    done = train(recipe, machine=machine, out=options.out, resume=options.resume)
    print(f"best weights: {done.best}\nnext: pixelwise evaluate --model {done.folder} --data {recipe.data}")
    return DONE


def _evaluate(options: argparse.Namespace) -> int:
    from .evaluation import evaluate

    predictor = _predictor(options)
    trained = predictor.model.record.get("recipe", {})
    for name in ("classes", "colors"):  # the masks are read as they were for the training
        setattr(options, name, getattr(options, name) or trained.get(name) or None)
    options.void = options.void or ",".join(map(str, trained.get("void", ()))) or None
    result = evaluate(predictor, _open(options))
    result.write(options.out)
    print(json.dumps(result.to_dict(), indent=2, allow_nan=False) if options.json else result.table())
    print(f"page: {options.out / 'index.html'}", file=sys.stderr)
    return SOME_FAILED if result.failures else DONE


def _predict(options: argparse.Namespace) -> int:
    from .inference.files import predict_files

    formats = tuple(part.strip() for part in options.write.split(","))
    done = predict_files(_predictor(options), options.source, options.out, formats=formats)
    print(done.summary())
    return SOME_FAILED if done.failed else DONE


def _models(options: argparse.Namespace) -> int:
    from .models import MODELS

    for name, model in MODELS.items():
        print(f"{name:16s} {model.task:10s} {(model.__doc__ or '').splitlines()[0]}")
    return DONE


# --- what the verbs share --------------------------------------------------------------------------------------------


def _reading(options: argparse.Namespace) -> dict[str, Any]:
    try:
        void = None if options.void is None else tuple(int(part) for part in options.void.split(","))
    except ValueError:
        raise ValueError(f"--void is {options.void!r}: it must be mask values like 255 or 0,255") from None
    return {"format": options.format, "classes": options.classes, "void": void, "colors": options.colors}


def _open(options: argparse.Namespace) -> Dataset:
    from .data.dataset import open_dataset

    data = open_dataset(options.data, split=None if options.split == "all" else options.split, **_reading(options))
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    return data


def _predictor(options: argparse.Namespace) -> Predictor:
    from .inference.predictor import Predictor
    from .weights.checkpoint import load

    try:
        scales = tuple(float(part) for part in options.scales.split(","))
    except ValueError:
        raise ValueError(f"--scales is {options.scales!r}: it must be numbers like 0.75,1,1.25") from None
    return Predictor(
        load(options.model),
        device=options.device,
        flip=options.flip,
        scales=scales,
        tile=options.tile,
        overlap=options.overlap,
        precision=options.precision,
    )
