"""Checks of paths and names that take milliseconds, made before PyTorch is imported.

Each check only refuses what the library would refuse as well, seconds later. What cannot be told from names alone, such
as the number of images in a COCO file, is left to the library.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..images.file_names import IMAGE_SUFFIXES, file_not_found
from ..ops.names import suggest
from ..training.options import OptionError
from ..training.recipe import Recipe
from ..training.run_folder import BEST, LAST, RECIPE
from .known_names import AUGMENTATIONS, DATA_FORMATS, LOSSES, METHODS, OWN_LOSS, PUBLISHED, SHAPES
from .parser import UsageError
from .values import refusal

LISTS = (".txt", ".csv", ".yaml", ".yml")
"""Suffixes of files that may name images outside their folder. The JSON files of COCO may not."""

_CLASS_IN_FILE = re.compile(r"(?:(?P<name>[^=]+)=)?(?P<file>.+):(?P<class_name>\w+)")


def check_exists(flag: str, path: str | Path) -> None:
    """Refuse a path that does not exist, with the most similar name in its folder.

    Raises:
        FileNotFoundError: the path does not exist.
    """
    if reason := _why_missing(path):
        raise FileNotFoundError(f"{flag}: {reason}")


def check_data(flag: str, path: str | Path) -> None:
    """Refuse data that do not exist; synthetic data need no folder.

    Raises:
        FileNotFoundError: the path does not exist.
    """
    if not str(path).startswith(SHAPES):
        check_exists(flag, path)


def check_sources(sources: Iterable[str]) -> None:
    """Refuse images, folders and patterns that name no file.

    Raises:
        FileNotFoundError: a path does not exist or a pattern fits no file.
    """
    for source in sources:
        if source and Path(source).exists():
            continue
        if not glob.has_magic(source):
            check_exists("--source", source)
        # `Path.glob` takes no absolute pattern.
        if next(glob.iglob(source, recursive=True), None) is None:  # noqa: PTH207
            raise FileNotFoundError(f"--source: no file fits the pattern {source}")


def check_trained(flag: str, model: str) -> None:
    """Refuse what is neither a checkpoint, nor the folder of a run, nor the name of a published checkpoint.

    Raises:
        UsageError: it is the name of a method, which has no weights.
        FileNotFoundError: there is no such path, with similar paths or published checkpoints; or a folder has no
            checkpoint.
    """
    path = Path(model)
    if model and path.is_dir() and not (path / BEST).is_file() and not (path / LAST).is_file():
        inside = ", ".join(sorted(file.name for file in path.glob("*.safetensors")))
        has = f"but {inside}: give a file" if inside else "so it is not the folder of a run that has saved a model"
        raise FileNotFoundError(f"{flag}: the folder {model} has no {BEST}, {has}")
    if model in PUBLISHED or (model and path.exists()):
        return
    if model in METHODS:
        raise UsageError(
            f"{flag} is {model!r}, a method without weights: give a checkpoint (.safetensors), the folder of a run or "
            "a published checkpoint (pixelwise models lists them)"
        )
    near = suggest(model, PUBLISHED)
    if near.startswith("did you mean"):
        raise FileNotFoundError(f"{flag}: there is no {model}, neither here nor published; {near}")
    check_exists(flag, model)


def check_class_files(specs: Iterable[str]) -> tuple[str, ...]:
    """Refuse model classes whose file does not exist, without running it.

    Args:
        specs: `file.py:Class` or `name=file.py:Class`.

    Returns:
        The names under which the classes will be registered.

    Raises:
        UsageError: a text has another form.
        FileNotFoundError: a file does not exist.
    """
    names = []
    for spec in specs:
        match = _CLASS_IN_FILE.fullmatch(spec)
        if not match:
            raise UsageError(f"{spec!r} names no class in a file: write file.py:Class or name=file.py:Class")
        check_exists(f"class {match['class_name']}", match["file"])
        names.append(match["name"] or match["class_name"])
    return tuple(names)


def check_recipe(recipe: Recipe, registered: Sequence[str] = ()) -> None:
    """Refuse a recipe with an unknown name, a path that does not exist, or a folder of one image.

    Args:
        recipe: with plain values in their ranges.
        registered: names of model classes beside the built-in methods.

    Raises:
        OptionError: names the key of the recipe.
    """
    names: dict[str, Sequence[str]] = {
        "model": (*METHODS, *registered),
        "augment": AUGMENTATIONS,
        "format": DATA_FORMATS,
    }
    for key, known in names.items():
        value = getattr(recipe, key)
        if value is not None and value not in known:
            raise OptionError(key, refusal(value, known))
    for term in recipe.loss.split("+"):
        loss = term.rpartition("*")[2].strip()
        if loss not in (*LOSSES, OWN_LOSS):
            raise OptionError("loss", f"is {recipe.loss!r}, and there is no loss {loss!r}: {suggest(loss, LOSSES)}")
    _check_paths(recipe)


def _check_paths(recipe: Recipe) -> None:
    paths = {}
    if not recipe.data.startswith(SHAPES):
        paths["data"] = recipe.data
    if recipe.weights is not None and recipe.weights not in PUBLISHED:
        paths["weights"] = recipe.weights
    if recipe.pretrained not in (None, "auto"):
        paths["pretrained"] = str(recipe.pretrained)
    for key, path in paths.items():
        if reason := _why_missing(path):
            raise OptionError(key, f"is {path!r}: {reason}")
    if _has_one_image(Path(recipe.data)):
        raise OptionError(
            "data", f"is {recipe.data!r}, which has 1 image: training needs 2 or more, one to validate on"
        )


def _has_one_image(folder: Path) -> bool:
    """Tell whether a folder holds a single image, perhaps with its mask, and no file that could name others."""
    if not folder.is_dir():
        return False
    images: list[Path] = []
    for path in folder.rglob("*"):
        # `rglob` does not look into linked folders, and the library does.
        if path.suffix.lower() in LISTS or path.is_symlink():
            return False
        if path.suffix.lower() in IMAGE_SUFFIXES:
            images.append(path)
        if len(images) > 2:
            return False
    if len(images) < 2:
        return len(images) == 1
    one, other = images
    sides = {"images", "masks"}
    is_pair = one.parent == other.parent or sides <= {*one.parts, *other.parts}
    return is_pair and one.stem == other.stem


def _why_missing(path: str | Path) -> str:
    """The reason why a path cannot be used, with the most similar name in its folder; empty where it exists."""
    if not str(path):  # an unset variable of the shell; `Path("")` would be the current folder
        return "the path is empty"
    if Path(path).exists():
        return ""
    return str(file_not_found(Path(path)))


def check_out(out: Path | None, *, resume: bool) -> None:
    """Refuse a folder that already holds a run, or one to resume that holds none.

    Raises:
        FileExistsError, FileNotFoundError: says which flag to add or leave out.
    """
    # The processes that Lightning starts for further GPUs find the run that the first process has begun.
    if out is None or "LOCAL_RANK" in os.environ:
        return
    holds_run = (out / RECIPE).exists()
    if resume and not holds_run:
        raise FileNotFoundError(f"{out} holds no run to resume: leave out --resume to start one")
    if holds_run and not resume:
        raise FileExistsError(
            f"{out} holds a run already: continue it with --resume, or give another folder with --out"
        )
