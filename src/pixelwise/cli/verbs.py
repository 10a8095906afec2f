"""What each verb does with its flags; all that is slow to load is imported here, where it is used."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.options import OptionError, mapping
from ..training.recipe import Machine, Recipe

if TYPE_CHECKING:
    from ..classes import Classes
    from ..data.dataset import Dataset
    from ..inference.predictor import Predictor
    from ..models.base import Model
    from ..postprocess.chain import Chain

DONE, SOME_FAILED = 0, 1


def demo(options: Namespace) -> int:
    """`pixelwise demo`."""
    from ..demo import show

    show(options.out)
    return DONE


def inspect(options: Namespace) -> int:
    """`pixelwise inspect`."""
    from ..inspection.report import inspect

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


def models(options: Namespace) -> int:
    """`pixelwise models`: the list, or what one of them is made of."""
    from ..models import MODELS
    from ..weights.download import here
    from ..weights.published import PRESETS

    if options.name:
        return _summarize(options)
    print("methods (pixelwise models NAME --summary counts layers, parameters and multiply-adds):\n")
    for name, model in MODELS.items():
        print(f"  {name:14s} {model.task:9s} {(model.__doc__ or '').splitlines()[0]}")
    print("\npublished weights, by their publishers' own scores (load, create and --model take the name):\n")
    for name, preset in PRESETS.items():
        place = "here" if here(preset) else "to download" if preset.url else "to bring"
        print(f"  {name:46s} {place:12s} {preset.score}; {preset.licence}")
    return DONE


def _summarize(options: Namespace) -> int:
    from ..data.recognition.known_classes import known_classes
    from ..models import MODELS
    from ..ops.names import suggest
    from ..summary.model_summary import summarize
    from ..weights.published import PRESETS

    if options.name in PRESETS and not options.summary:
        for key, value in dataclasses.asdict(PRESETS[options.name]).items():
            print(f"{key:10s} {value}")
        return DONE
    if options.name in PRESETS or options.name in MODELS:
        preset = PRESETS.get(options.name)
        made = {**preset.arguments, "classes": known_classes(preset.classes)} if preset else {}
        model = _new(preset.model if preset else options.name, options, made)
    elif Path(options.name).exists():
        from ..weights.checkpoint import load

        model = load(options.name)
    else:
        near = suggest(options.name, [*MODELS, *PRESETS])
        raise ValueError(f"{options.name} is no method, no published checkpoint and no file; {near}")
    found = summarize(model, _size(options.size))
    print(json.dumps(found.to_dict(), indent=2) if options.json else found.table())
    return DONE


def _size(text: str) -> tuple[int, int]:
    """Height and width: "512", or "512x1024"."""
    parts = text.split("x") if "x" in text else [text, text]
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
        raise ValueError(f"--size is {text!r}: it must be 512 or 512x1024, height first, pixels")
    return int(parts[0]), int(parts[1])


def _new(name: str, options: Namespace, arguments: dict[str, Any]) -> Model:
    """A model made for being counted: no memory behind its tensors."""
    import torch

    from ..data.recognition.known_classes import known_classes
    from ..models import MODELS
    from ..weights.creation import create

    arguments = {**arguments, **_arguments(options)}
    if MODELS[name].task == "panoptic" and options.num_classes is None and "things" not in arguments:
        arguments = {"classes": known_classes("coco-panoptic"), **arguments}
    number = None if "classes" in arguments else options.num_classes or 21
    with torch.device("meta"):
        return create(name, num_classes=number, **arguments)


def recipes(options: Namespace) -> int:
    """`pixelwise recipes`: the list, or one as it is."""
    from ..ops.names import suggest
    from ..training.recipes import file_of, recipes

    known = recipes()
    if options.name:
        if options.name not in known:
            raise ValueError(f"there is no recipe {options.name!r}: {suggest(options.name, known)}")
        print(file_of(options.name).read_text("utf-8"), end="")
        return DONE
    for name, text in known.items():
        print(f"{name:28s} {text}")
    print("\npixelwise train --recipe NAME --data FOLDER trains by one of them; flags win over it")
    return DONE


def train(options: Namespace) -> int:
    """`pixelwise train`."""
    from ..training.run import train
    from ..training.run_folder import RECIPE, claim_folder

    given = {key: value for key, value in vars(options).items() if value is not None}
    changes = {f.name: given[f.name] for f in dataclasses.fields(Recipe) if f.name in given}
    if not (options.recipe or options.resume or "data" in changes):
        raise ValueError("nothing to train on: give --data FOLDER, or --recipe FILE")
    file = options.recipe or (claim_folder(options.out, resume=True) / RECIPE if options.resume else None)
    try:
        machine = Machine(**{f.name: given[f.name] for f in dataclasses.fields(Machine) if f.name in given})
        recipe = Recipe.from_yaml(file, changes) if file else Recipe.from_dict(changes)
    except OptionError as error:
        raise ValueError(f"--{error.name.replace('_', '-')} {error.text}") from None
    done = train(recipe, machine=machine, out=options.out, resume=options.resume)
    print(f"best weights: {done.best}\nnext: pixelwise evaluate --model {done.folder} --data {recipe.data}")
    return DONE


def evaluate(options: Namespace) -> int:
    """`pixelwise evaluate`."""
    from ..evaluation import evaluate

    predictor = _predictor(options, _chain(options))
    result = evaluate(predictor, _open_as_trained(options, predictor.model), boundary=options.boundary)
    result.write(options.out)
    print(json.dumps(result.to_dict(), indent=2, allow_nan=False) if options.json else result.table())
    print(f"page: {options.out / 'index.html'}", file=sys.stderr)
    return SOME_FAILED if result.failures else DONE


def tune(options: Namespace) -> int:
    """`pixelwise tune`."""
    from ..tuning import tune

    predictor = _predictor(options)
    found = tune(
        predictor,
        _open_as_trained(options, predictor.model),
        budget=options.budget,
        areas=options.areas,
        images=options.images,
        boundary=options.boundary,
        seed=options.seed,
    )
    print(found.table())
    if not options.look and found.apply(options.model):
        print(f"kept in {options.model}: predict and evaluate use it from now on, unless --plain is given")
    return DONE


def predict(options: Namespace) -> int:
    """`pixelwise predict`."""
    from ..inference.folder import predict_files

    formats = None if options.write is None else tuple(part.strip() for part in options.write.split(","))
    done = predict_files(_predictor(options, _chain(options)), options.source, options.out, formats=formats)
    print(done.summary())
    return SOME_FAILED if done.failed else DONE


def convert(options: Namespace) -> int:
    """`pixelwise convert`: of weights a checkpoint, of masks and objects panoptic data."""
    if options.semantic or options.instances:
        return _build_panoptic(options)
    if not (options.file and options.layout and options.model):
        raise ValueError(
            "of weights a checkpoint is made with FILE, --layout and --model; panoptic data are made with --semantic "
            "MASKS, --instances OBJECTS or both"
        )
    from ..weights.convert import convert

    converted = convert(
        options.file,
        options.layout,
        options.model,
        options.out,
        classes=_classes(options.classes),
        arguments=_arguments(options),
    )
    for name, reason in converted.unused.items():
        print(f"not used: {name}: {reason}")
    for note in converted.notes:
        print(f"note: {note}")
    print(f"{options.out}\nnext: pixelwise predict --model {options.out} --source IMAGES")
    return DONE


def _build_panoptic(options: Namespace) -> int:
    from ..panoptic_building.build import build_panoptic

    if options.file or options.layout or options.model:
        raise ValueError(
            "FILE, --layout and --model are for weights, --semantic and --instances for data: give one kind"
        )
    done = build_panoptic(
        options.out,
        semantic=options.semantic,
        instances=options.instances,
        things=[part.strip() for part in options.things.split(",")] if options.things else [],
        rest=options.rest,
        smallest=options.smallest,
        reading=_reading(options),
    )
    print(f"{done.table()}\nnext: pixelwise inspect --data {done.out}")
    return SOME_FAILED if done.left_out else DONE


# --- what the verbs share --------------------------------------------------------------------------------------------


def _arguments(options: Namespace) -> dict[str, Any]:
    """Of a model's constructor."""
    backbone = {} if options.backbone is None else {"backbone": options.backbone}
    return {**backbone, **mapping("--arguments", options.arguments)}


def _classes(text: str | None) -> Classes | None:
    """Names in their order, or those of a well-known data set."""
    from ..classes import Classes
    from ..data.recognition.known_classes import known_classes

    if text is None or "," not in text:
        return None if text is None else known_classes(text)
    names = tuple(part.strip() for part in text.split(","))
    return Classes(names, background=names.index("background") if "background" in names else None)


def _reading(options: Namespace) -> dict[str, Any]:
    try:
        void = None if options.void is None else tuple(int(part) for part in options.void.split(","))
    except ValueError:
        raise ValueError(f"--void is {options.void!r}: it must be mask values like 255 or 0,255") from None
    return {"format": options.format, "classes": options.classes, "void": void, "colors": options.colors}


def _open_as_trained(options: Namespace, model: Model) -> Dataset:
    """The data that the flags name; where they do not say how masks are read, as for the model's training."""
    from ..data.opening import open_dataset

    trained = model.record.get("recipe", {})
    for name in ("classes", "colors"):
        setattr(options, name, getattr(options, name) or trained.get(name) or None)
    options.void = options.void or ",".join(map(str, trained.get("void", ()))) or None
    data = open_dataset(options.data, split=None if options.split == "all" else options.split, **_reading(options))
    for note in data.notes:
        print(f"note: {note}", file=sys.stderr)
    return data


def _chain(options: Namespace) -> Chain | None:
    """What the flags want after the network; None for what the checkpoint says."""
    from ..postprocess.chain import Chain
    from ..postprocess.crf import CRF

    given = {f.name: getattr(options, f.name) for f in dataclasses.fields(Chain) if f.name in vars(options)}
    if options.plain:
        if given:
            raise ValueError(f"--plain wants nothing after the network, --{', --'.join(given)} wants something")
        return Chain()
    if "crf" in given:
        given["crf"] = CRF.parse(given["crf"]) if given["crf"] else CRF()
    return Chain(**given) if given else None


def _predictor(options: Namespace, chain: Chain | None = None) -> Predictor:
    from ..inference.predictor import Predictor
    from ..weights.checkpoint import load

    try:
        scales = tuple(float(part) for part in options.scales.split(","))
    except ValueError:
        raise ValueError(f"--scales is {options.scales!r}: it must be numbers like 0.75,1,1.25") from None
    model = load(options.model)
    if model.postprocess:
        steps = ", ".join(f"{name}={value}" for name, value in model.postprocess.to_dict().items())
        replaced = "" if chain is None else "; the flags replace it"
        print(f"note: after the network the checkpoint has {steps}{replaced}", file=sys.stderr)
    return Predictor(
        model,
        device=options.device,
        flip=options.flip,
        scales=scales,
        tile=options.tile,
        overlap=options.overlap,
        precision=options.precision,
        postprocess=chain,
        score_threshold=vars(options).get("score"),
    )
