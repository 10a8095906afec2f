"""Model classes of your own: once registered, they are created, trained, saved and loaded as the built-in ones are.

No file is executed because a checkpoint or a recipe names it. A checkpoint records the class that it needs and the file
that the class came from; the user registers that class, in Python or on the command line, before the checkpoint is
loaded.
"""

from __future__ import annotations

import inspect
import re
import sys
from difflib import get_close_matches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from ..models import MODELS
from ..models.base import Model

TASKS = ("semantic", "instance", "panoptic")

_NAME = re.compile(r"[A-Za-z][\w-]*")
"""Dots are kept for published checkpoints, colons for files of classes."""


def register(name: str, model_class: type[Model]) -> None:
    """Make a model class known under a name, for `create`, `train`, `load` and the checkpoints made from it.

    A class that replaces an earlier definition of itself (a notebook cell that is run again) takes its place.

    Args:
        name: letters, digits, `_` and `-`, beginning with a letter; not the name of a built-in method.
        model_class: a subclass of `SemanticModel`, `InstanceModel` or `Model`. Its constructor takes the number of
            classes as `num_classes`, or a `Classes` as `classes`; all other parameters have defaults.

    Raises:
        TypeError: `model_class` is not a subclass of `Model`, has no task, or its constructor cannot be called as
            described.
        ValueError: the name is malformed or taken.

    >>> pixelwise.register("tiny", TinyNet)  # doctest: +SKIP
    >>> model = pixelwise.create("tiny", num_classes=2)  # doctest: +SKIP
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"name is {name!r}: use letters, digits, _ and -, beginning with a letter")
    _check_class(model_class)
    known = MODELS.get(name)
    if known is not None and known is not model_class and not _is_redefinition(known, model_class):
        raise ValueError(f"the name {name!r} is taken by {known.__module__}.{known.__qualname__}: choose another")
    MODELS[name] = model_class


def register_from(source: str) -> str:
    """Execute a Python file and register one of its classes.

    Only for a file that the user has named: never call it with text out of a checkpoint or a recipe.

    Args:
        source: `file.py:Class`, which registers the class under its own name; or `name=file.py:Class`. Modules beside
            the file can be imported by it.

    Returns:
        The name under which the class is registered.

    Raises:
        FileNotFoundError: the file does not exist; similar names in its folder are suggested.
        ValueError: `source` is malformed, the file fails to run, or it has no such class.
        TypeError: the class is not a usable model, see `register`.
    """
    name, _, location = source.rpartition("=")
    file, _, class_name = location.rpartition(":")
    if not file or not class_name.isidentifier():
        raise ValueError(f"{source!r} names no class in a file: write file.py:Class, or name=file.py:Class")
    module = _execute(Path(file))
    if class_name not in vars(module):
        classes = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Model)]
        raise ValueError(f"{file} has no class {class_name}; its model classes are: {', '.join(classes) or 'none'}")
    name = name or class_name
    register(name, vars(module)[class_name])
    return name


def construct(name: str, **arguments: Any) -> Model:
    """Call the constructor of a registered class with the classes in the form that it takes them.

    Args:
        name: a key of `MODELS`.
        arguments: of the constructor, with `classes` among them.
    """
    model_class = MODELS[name]
    if "num_classes" in inspect.signature(model_class).parameters:
        arguments["num_classes"] = len(arguments.pop("classes"))
    return model_class(**arguments)


def code_of(model: Model) -> dict[str, str] | None:
    """The class and file name of a model that is not built in, as a checkpoint records them; None for a built-in."""
    model_class = type(model)
    if model_class.__module__.partition(".")[0] == Model.__module__.partition(".")[0]:
        return None
    try:
        file = Path(inspect.getfile(model_class)).name  # the folder may name a person, and is not the reader's anyway
    except (TypeError, OSError):
        file = ""
    return {"class": model_class.__qualname__, "file": file}


def check_registered(record: dict[str, Any], path: Path) -> None:
    """Refuse a checkpoint whose class is not built in and has not been registered.

    Args:
        record: the record of the checkpoint, or of a part of it.
        path: the checkpoint, for the message.

    Raises:
        ValueError: says which class of which file to register, and how.
    """
    name, code = record.get("architecture"), record.get("code")
    if isinstance(code, dict) and name not in MODELS:
        class_name, file = code.get("class"), code.get("file") or "FILE.py"
        spec = f"{file}:{class_name}" if name == class_name else f"{name}={file}:{class_name}"
        raise ValueError(
            f"{path} was made with the class {class_name} of {file}, which is not part of pixelwise: on the command "
            f"line add --register {spec}, in Python call pixelwise.register({name!r}, {class_name}) first"
        )
    parts = record.get("parts")
    for part in parts.values() if isinstance(parts, dict) else ():
        if isinstance(part, dict):
            check_registered(part, path)


def _check_class(model_class: type[Model]) -> None:
    if not isinstance(model_class, type) or not issubclass(model_class, Model):
        raise TypeError(f"{model_class!r} is not a subclass of pixelwise.models.base.Model, so it cannot be registered")
    if getattr(model_class, "task", None) not in TASKS:
        raise TypeError(f"the task of {model_class.__name__} must be one of {', '.join(TASKS)}")
    if missing := sorted(getattr(model_class, "__abstractmethods__", ())):
        raise TypeError(f"{model_class.__name__} is abstract: it must define {', '.join(missing)}")
    parameters = inspect.signature(model_class).parameters
    if not {"num_classes", "classes"} & parameters.keys():
        raise TypeError(
            f"the constructor of {model_class.__name__} takes neither num_classes nor classes: pixelwise gives one of "
            f"them when it makes a model; it takes {', '.join(parameters) or 'nothing'}"
        )


def _is_redefinition(known: type[Model], new: type[Model]) -> bool:
    """Tell whether a class is a new definition of a known one, as when a notebook cell is run again."""
    return (known.__module__, known.__qualname__) == (new.__module__, new.__qualname__)


def _execute(path: Path) -> ModuleType:
    """Run a Python file as a module of its own."""
    if not path.is_file():
        nearby = sorted(p.name for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        similar = get_close_matches(path.name, nearby, 3, 0.4)
        hint = f": did you mean {' or '.join(similar)}?" if similar else ""
        raise FileNotFoundError(f"there is no file {path}{hint}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # at the end: a file beside it must not hide an installed package
    name = f"registered_{path.stem}"  # its own name: a file called torch.py must not replace torch
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{path} fails to run: {type(error).__name__}: {error}") from error
    return module
