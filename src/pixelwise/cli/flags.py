"""The flags of each verb."""

from __future__ import annotations

import argparse
import dataclasses
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from ..training.recipe import Machine, Recipe


def demo(verb: ArgumentParser) -> None:
    """Of `pixelwise demo`."""
    _out(verb, "runs/demo")


def inspect(verb: ArgumentParser) -> None:
    """Of `pixelwise inspect`."""
    _data(verb, "all")
    _out(verb, "runs/inspect")
    verb.add_argument("--imgsz", type=int, default=256, help="side of the training crops shown (default: %(default)s)")
    strengths = "none, light, default, strong, topdown, pspnet, paste, lsj or copy-paste (default: %(default)s)"
    verb.add_argument("--augment", default="default", help=strengths)
    _json(verb, "findings")


def models(verb: ArgumentParser) -> None:
    """Of `pixelwise models`."""
    verb.add_argument("name", nargs="?", metavar="NAME", help="a method, a published checkpoint or a file of weights")
    verb.add_argument("--summary", action="store_true", help="layers, parameters, multiply-adds and receptive field")
    verb.add_argument("--size", default="512", help="of the image that is counted for: 512 or 512x1024, height first")
    verb.add_argument("--num-classes", type=int, help="default: 21; of a panoptic method the classes of COCO panoptic")
    _made(verb)
    _json(verb, "summary")


def recipes(verb: ArgumentParser) -> None:
    """Of `pixelwise recipes`."""
    verb.add_argument("name", nargs="?", metavar="NAME", help="show this one, with its comments")


def train(verb: ArgumentParser) -> None:
    """Of `pixelwise train`: every field of `Recipe` and of `Machine`."""
    verb.add_argument("--recipe", help="a shipped recipe (`pixelwise recipes`) or a YAML file; flags win over it")
    recipe = verb.add_argument_group("recipe", "what decides the weights; saved in full as recipe.yaml")
    machine = verb.add_argument_group("machine", "what the training runs on")
    for group, kind in ((recipe, Recipe), (machine, Machine)):
        for field in dataclasses.fields(kind):
            known = field.default not in (None, (), dataclasses.MISSING)
            default = f" (default: {_shown(field.default)})" if known else ""
            text = f"{field.metadata['help']}{default}".replace("%", "%%")
            group.add_argument(f"--{field.name.replace('_', '-')}", default=argparse.SUPPRESS, help=text)
    out = "folder of the run (default: runs/train, or the next free runs/train2, …)"
    verb.add_argument("--out", type=Path, help=out)
    verb.add_argument("--resume", action="store_true", help="continue the run in --out, or the newest of runs/train*")


def evaluate(verb: ArgumentParser) -> None:
    """Of `pixelwise evaluate`."""
    _data(verb, "val")
    _model(verb)
    _score(verb, "all that the model finds, as average precision wants it")
    _chain(verb)
    _boundary(verb, None)
    _out(verb, "runs/evaluate")
    _json(verb, "scores")


def tune(verb: ArgumentParser) -> None:
    """Of `pixelwise tune`."""
    _data(verb, "val")
    _model(verb)
    verb.add_argument("--budget", type=int, default=24, help="CRFs that are tried (default: %(default)s)")
    areas = "search the areas of --fill-holes, --merge-below and --drop-below too"
    verb.add_argument("--areas", action="store_true", help=areas)
    verb.add_argument(
        "--images", type=int, default=60, help="taken at most, for search and verdict (default: %(default)s)"
    )
    verb.add_argument("--seed", type=int, default=0, help="of every random draw (default: %(default)s)")
    _boundary(verb, 2)
    verb.add_argument("--look", action="store_true", help="only tell: leave the checkpoint as it is")


def predict(verb: ArgumentParser) -> None:
    """Of `pixelwise predict`."""
    _model(verb)
    verb.add_argument("--source", required=True, nargs="+", help="images, folders or patterns like 'new/*.tif'")
    formats = """overlay (the image with the result on it), class-map (PNG, a class each pixel), label-map (16-bit
        PNG, a number each segment), coco (JSON with run lengths), yolo (texts of polygons), coco-panoptic (JSON and
        PNGs), table (CSV with class, score, area, box and centre of each object); several: overlay,table (default:
        overlay,class-map; for objects overlay,table; for both overlay,coco-panoptic)"""
    verb.add_argument("--write", help=formats)
    _score(verb, "0.3")
    _chain(verb)
    _out(verb, "runs/predict")


def convert(verb: ArgumentParser) -> None:
    """Of `pixelwise convert`."""
    verb.usage = (
        "pixelwise convert FILE --layout LAYOUT --model MODEL --out CHECKPOINT\n"
        "       pixelwise convert --semantic MASKS --instances OBJECTS --out FOLDER"
    )
    verb.add_argument("--out", type=Path, required=True, help="the checkpoint model.safetensors, or the data's folder")
    names = "names in their order, background,cell; of weights also voc, cityscapes, ade20k, cocostuff"
    verb.add_argument("--classes", help=names)
    weights = verb.add_argument_group("somebody else's weights")
    weights.add_argument("file", metavar="FILE", nargs="?", help="a state dict of PyTorch or safetensors")
    weights.add_argument("--layout", help="whose names the tensors have: smp, torchvision, wkentaro …")
    weights.add_argument("--model", help="the method, as `pixelwise models` calls it")
    _made(weights)
    text = "from class masks, objects or both, paired by name; conflicts are shown in FOLDER/conflicts"
    panoptic = verb.add_argument_group("panoptic data (COCO panoptic)", text)
    panoptic.add_argument("--semantic", metavar="MASKS", help="data with class masks; alone: objects are parts of them")
    panoptic.add_argument("--instances", metavar="OBJECTS", help="data with objects: COCO, YOLO, label maps, VOC")
    panoptic.add_argument("--things", help="classes that are countable, beside those of the objects: car,person")
    panoptic.add_argument("--rest", choices=("background", "void"), default="background", help="default: %(default)s")
    smallest = "objects that are parts of masks have so many pixels, or are void (default: %(default)s)"
    panoptic.add_argument("--smallest", type=int, default=0, help=smallest)
    _masks(panoptic)


def _made(verb: argparse._ActionsContainer) -> None:
    verb.add_argument("--backbone", help="encoder of timm; the method's own when not given")
    verb.add_argument("--arguments", help="of the method's constructor: output_stride=8,auxiliary=true")


def _data(verb: ArgumentParser, split: str) -> None:
    verb.add_argument("--data", required=True, help="folder or list file of the images and masks")
    verb.add_argument("--split", default=split, help="which part of the data; all: everything (default: %(default)s)")
    names = "names of the classes, in the order of their values: background,cell; a model knows those of its training"
    verb.add_argument("--classes", help=names)
    _masks(verb)


def _masks(verb: argparse._ActionsContainer) -> None:
    known = "mask-folder, label-map, voc, coco, coco-panoptic, yolo or cityscapes; found by looking when not given"
    verb.add_argument("--format", help=known)
    verb.add_argument("--void", help="mask values that belong to no class: 255 or 0,255")
    verb.add_argument("--colors", help="colours of RGB masks: 'sky=0,0,255;road=128,64,128'")


def _model(verb: ArgumentParser) -> None:
    given = "a checkpoint (.safetensors), the folder of a training run, or a published one of `pixelwise models`"
    verb.add_argument("--model", required=True, help=given)
    verb.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 … (default: %(default)s)")
    verb.add_argument("--flip", action="store_true", help="average with the prediction of the mirrored image")
    verb.add_argument("--scales", default="1", help="average over sizes: 0.75,1,1.25 (default: %(default)s)")
    tile = """side of the tiles for large images, pixels; chosen when not given. Objects in several tiles are united;
        a model that makes images smaller finds smaller objects so"""
    verb.add_argument("--tile", type=int, help=tile)
    share = "share of a tile that overlaps (default: %(default)s)"
    verb.add_argument("--overlap", type=float, default=0.25, help=share)
    verb.add_argument("--precision", default="fp32", choices=("fp32", "bf16"), help="default: %(default)s")


def _score(verb: ArgumentParser, default: str) -> None:
    text = f"objects less sure than this are left out, 0 to 1; instance models only (default: {default})"
    verb.add_argument("--score", type=float, help=text)


def _chain(verb: ArgumentParser) -> None:
    """What comes after the network; each flag but the last is a field of `postprocess.chain.Chain`."""
    text = "any of these takes the place of all that the checkpoint has saved; they work in this order"
    chain = verb.add_argument_group("after the network", text)
    steps: list[tuple[str, Any, str]] = [
        ("crf", str, "dense CRF: deeplabv2-voc (its parameters in a paper), or bi_xy=50,bi_rgb=5; alone: our default"),
        ("smooth", float, "each pixel takes the majority around it: standard deviation of the window, pixels"),
        ("open", int, "hairs and bridges go: radius of the disk that parts must hold, pixels"),
        ("close", int, "cracks are filled: radius of the disk that gaps must hold, pixels"),
        ("fill-holes", int, "holes up to this area are filled, pixels"),
        ("merge-below", int, "regions below this area join the neighbour with most common border, pixels"),
        ("drop-below", int, "regions below this area become background, pixels"),
        ("keep-largest", int, "so many regions of each class stay"),
    ]
    for name, kind, help in steps:
        optional: dict[str, Any] = {"nargs": "?", "const": ""} if name == "crf" else {}
        chain.add_argument(f"--{name}", type=kind, default=argparse.SUPPRESS, help=help, **optional)
    chain.add_argument("--plain", action="store_true", help="nothing after the network, whatever the checkpoint says")


def _boundary(verb: ArgumentParser, default: int | None) -> None:
    text = (
        "tolerance of the boundary F1, of objects the width of the boundaries of the boundary AP: pixels, or below 1 a "
        f"share of the image's diagonal (COCO: 0.02) (default: {default or 'left out'})"
    )
    verb.add_argument("--boundary", type=float, default=default, help=text)


def _out(verb: ArgumentParser, default: str) -> None:
    verb.add_argument("--out", default=default, type=Path, help="folder for what is written (default: %(default)s)")


def _json(verb: ArgumentParser, what: str) -> None:
    verb.add_argument("--json", action="store_true", help=f"print the {what} as JSON")


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
