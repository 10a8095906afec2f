"""What to train and how (the YAML file, the flags and the checkpoint's record at once), and on what machine."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from ..ops.files import write_aside

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("poly", "cosine", "step", "constant")
BALANCES = ("none", "median", "enet", "inverse-sqrt", "rare")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")
LOGGERS = ("csv", "tensorboard", "wandb", "mlflow")


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Recipe:
    """Everything that decides which weights come out; each field's meaning is its `help`.

    Raises:
        ValueError: for a value outside its range or an unknown choice, with what is allowed.

    >>> Recipe("cells", imgsz=320).imgsz
    (320,)
    """

    data: str = field(metadata={"help": "folder or list file of the pictures and masks"})
    format: str | None = _option(None, "format of the data; found by looking when not given")
    classes: tuple[str, ...] = _option((), "names of the classes, in the order of their values: background,cell")
    void: tuple[int, ...] = _option((), "mask values that belong to no class")
    colors: str | None = _option(None, "colours of RGB masks: sky=0,0,255;road=128,64,128")
    resize: int | None = _option(None, "shorter side that pictures are resized to before all else, pixels")
    model: str = _option("unet", "the method")
    backbone: str | None = _option("tf_efficientnet_lite0", "timm encoder with ImageNet weights; none: the paper's own")
    weights: str | None = _option(None, "checkpoint of pixelwise to start from")
    loss: str = _option("ce+dice", "criterion: ce, ce+dice, focal, ce+0.5*lovasz, ce-border (U-Net's border weights) …")
    balance: str = _option(
        "none", f"against rare classes: {', '.join(BALANCES)} (rare draws their pictures more often)"
    )
    epochs: int = _option(60, "passes over the training pictures")
    batch: int = _option(8, "pictures a step, over all processes and accumulated parts together")
    imgsz: tuple[int, ...] = _option((256,), "side of the training crops, pixels; several: each batch draws one")
    scale: tuple[float, ...] = _option((0.5, 2.0), "smallest and largest factor of the random scaling")
    augment: str = _option("default", "augmentation: none, light, default, strong or topdown")
    optimizer: str = _option("adamw", f"optimiser: {', '.join(OPTIMIZERS)}")
    lr: float = _option(
        2e-3, "highest learning rate; a third of it for the pretrained encoder; 2e-4 suits the paper's U-Net"
    )
    schedule: str = _option("poly", f"course of the learning rate: {', '.join(SCHEDULES)}")
    warmup: float = _option(0.05, "share of the steps in which the learning rate rises to its highest")
    weight_decay: float = _option(0.01, "weight decay; biases and norms have none")
    clip: float = _option(1.0, "largest norm of the gradient; 0: no clipping")
    ema: float = _option(0.99, "decay of the averaged weights that are evaluated and kept; 0: none")
    patience: int = _option(0, "stop after so many epochs without a better score; 0: never")
    seed: int = _option(0, "seed of every random draw")

    def __post_init__(self) -> None:
        _coerce(self)
        _choose(self, "optimizer", OPTIMIZERS)
        _choose(self, "schedule", SCHEDULES)
        _choose(self, "balance", BALANCES)
        for name in ("epochs", "batch"):
            _demand(self, name, getattr(self, name) >= 1, "1 or more")
        _demand(self, "imgsz", bool(self.imgsz) and min(self.imgsz, default=0) >= 1, "lengths in pixels, 1 or more")
        _demand(self, "resize", self.resize is None or self.resize >= 1, "a length in pixels, 1 or more")
        low_high = len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1]
        _demand(self, "scale", low_high, "two factors above 0, the smaller first, for example 0.5,2")
        _demand(self, "lr", self.lr > 0, "above 0")
        _demand(self, "warmup", 0 <= self.warmup < 1, "a share of the steps: 0 or more and below 1")
        _demand(self, "ema", 0 <= self.ema < 1, "0 or more and below 1")
        for name in ("weight_decay", "clip", "patience", "seed"):
            _demand(self, name, getattr(self, name) >= 0, "0 or more")

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Recipe:
        """The recipe of plain values; text is turned into each field's type, lists may be written `a,b`.

        Raises:
            ValueError: for a key that no recipe has, naming the nearest one; for a value of the wrong type.
        """
        names = [f.name for f in fields(cls)]
        for key in record:
            if key not in names:
                near = get_close_matches(str(key), names, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
                raise ValueError(f"a recipe has no key {key!r}: {hint}")
        if "data" not in record:
            raise ValueError("the recipe does not say which data to train on: give data")
        return cls(**record)

    @classmethod
    def from_yaml(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
        """The recipe in a YAML file of one level, with some keys changed."""
        try:
            record = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"the recipe {path} is not there: give a YAML file with lines like `epochs: 60`"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no YAML file: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"{path} must hold lines like `epochs: 60`, not {type(record).__name__}")
        try:
            return cls.from_dict({**record, **(changes or {})})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, lists for tuples: for YAML and JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def to_yaml(self, path: str | Path) -> None:
        """Write every key, the defaults too, with its meaning."""
        values = {key: json.dumps(value, ensure_ascii=False) for key, value in self.to_dict().items()}
        lines = [f"{f'{f.name}: {values[f.name]}':40s}  # {f.metadata['help']}\n" for f in fields(self)]
        with write_aside(Path(path)) as aside:
            aside.write_text("".join(lines), encoding="utf-8")


@dataclass(frozen=True)
class Machine:
    """What the training runs on; none of it is part of the recipe. Each field's meaning is its `help`.

    Raises:
        ValueError: for a value outside its range or an unknown choice, with what is allowed.
    """

    device: str = _option("auto", f"{', '.join(DEVICES)}; auto takes the GPU where there is one")
    devices: int = _option(1, "processes on each machine: one a GPU, or several on the CPU")
    nodes: int = _option(1, "machines")
    workers: int | None = _option(
        None, "processes that load pictures, for each training process; chosen by the number of cores when not given"
    )
    precision: str = _option("auto", f"{', '.join(PRECISIONS)}; auto takes bf16 where the hardware has it")
    accumulate: int = _option(1, "parts that each batch is worked through in, to save memory")
    loggers: tuple[str, ...] = _option(("csv", "tensorboard"), f"where to log: {', '.join(LOGGERS)}")

    def __post_init__(self) -> None:
        _coerce(self)
        _choose(self, "device", DEVICES)
        _choose(self, "precision", PRECISIONS)
        for name in ("devices", "nodes", "accumulate"):
            _demand(self, name, getattr(self, name) >= 1, "1 or more")
        _demand(self, "workers", self.workers is None or self.workers >= 0, "0 or more")
        unknown = [name for name in self.loggers if name not in LOGGERS]
        _demand(self, "loggers", not unknown, f"some of {', '.join(LOGGERS)}")


def _coerce(options: Recipe | Machine) -> None:
    """Turn each value into its field's type: "8" → 8, "0.5,2" → (0.5, 2.0), 256 → (256,), "none" → None."""
    for name, kind in get_type_hints(type(options)).items():
        object.__setattr__(options, name, _convert(name, getattr(options, name), kind))


def _convert(name: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "")):
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is tuple:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        parts = value if isinstance(value, (list, tuple)) else () if value is None else (value,)
        return tuple(_convert(name, part, get_args(kind)[0]) for part in parts)
    try:
        if isinstance(value, bool) or (kind is int and isinstance(value, float) and value != int(value)):
            raise ValueError
        if kind is str and not isinstance(value, (str, Path, int)):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        want = {int: "a whole number", float: "a number", str: "text"}[kind]
        raise ValueError(f"{name} is {value!r}: it must be {want}") from None


def _choose(options: Recipe | Machine, name: str, choices: tuple[str, ...]) -> None:
    value = getattr(options, name)
    if value not in choices:
        near = get_close_matches(value, choices, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(choices)}{hint}")


def _demand(options: Recipe | Machine, name: str, holds: bool, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {getattr(options, name)!r}: it must be {wanted}")
