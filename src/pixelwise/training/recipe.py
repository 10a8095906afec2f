"""What to train and how (the YAML file, the flags and the checkpoint's record at once), and on what machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from ..ops.atomic_files import write_text
from ..ops.names import check_keys, suggest
from .options import Misfit, choose, coerce, demand, option
from .recipes import file_of, recipes
from .schedule import SCHEDULES, drops

OPTIMIZERS = ("adamw", "sgd")
NORMS = ("train", "frozen", "group")
BALANCES = ("none", "median", "enet", "inverse-sqrt", "rare")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")
LOGGERS = ("csv", "tensorboard", "wandb", "mlflow")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides which weights come out; each field's meaning is its `help`.

    Raises:
        ValueError: for a value outside its range or an unknown choice, with what is allowed.

    >>> Recipe("cells", imgsz=320).imgsz
    (320,)
    """

    data: str = field(metadata={"help": "folder or list file of the images and masks"})
    format: str | None = option(None, "format of the data; found by looking when not given")
    classes: tuple[str, ...] = option((), "names of the classes, in the order of their values: background,cell")
    void: tuple[int, ...] = option((), "mask values that belong to no class")
    colors: str | None = option(None, "colours of RGB masks: sky=0,0,255;road=128,64,128")
    resize: tuple[int, ...] | None = option(
        None, "shorter side that images are resized to before all else, pixels; 550,550: both, whatever the aspect"
    )
    model: str = option("unet", "the method")
    backbone: str | None = option("tf_efficientnet_lite0", "timm encoder with ImageNet weights; none: the paper's own")
    arguments: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "of the method's constructor: output_stride=8,anchors=[8,16,32,64,128]"}
    )
    pretrained: str | None = option("auto", "ImageNet weights of the backbone: auto, none, or a file of them")
    weights: str | None = option(None, "checkpoint of pixelwise to start from, of this method or one of its family")
    loss: str = option(
        "ce+dice",
        "criterion of semantic methods: ce, ce+dice, focal, ce+0.5*lovasz …; others have their own",
    )
    balance: str = option("none", f"against rare classes: {', '.join(BALANCES)} (rare draws their images more often)")
    epochs: int = option(60, "passes over the training images")
    batch: int = option(8, "images a step, over all processes and accumulated parts together")
    imgsz: tuple[int, ...] = option((256,), "side of the training crops, pixels; several: each batch draws one")
    scale: tuple[float, ...] = option(
        (0.5, 2.0), "smallest and largest factor of the random scaling; three or more: one of these factors"
    )
    augment: str = option(
        "default", "augmentation: none, light, default, strong, topdown, pspnet, paste, lsj or copy-paste"
    )
    optimizer: str = option("adamw", f"optimiser: {', '.join(OPTIMIZERS)}")
    momentum: float = option(0.9, "of sgd")
    lr: float = option(2e-3, "highest learning rate; 2e-4 suits the paper's U-Net")
    encoder_lr: float = option(1 / 3, "factor of the learning rate for a backbone that starts with learnt weights")
    bias_lr: float = option(1.0, "factor of the learning rate for biases")
    schedule: str = option(
        "poly", f"course of the learning rate: {', '.join(SCHEDULES)}; step:0.3,0.6 falls after these shares of the run"
    )
    warmup: float = option(0.05, "share of the steps in which the learning rate rises to its highest")
    weight_decay: float = option(0.01, "weight decay; biases and norms have none")
    norm: str = option(
        "train",
        "batch normalisation: train; frozen: statistics that were learnt before stay, for small batches; group: "
        "so, and group normalisation outside the backbone",
    )
    auxiliary: float | None = option(None, "factor of the auxiliary losses; the method's own when not given")
    clip: float = option(1.0, "largest norm of the gradient; 0: no clipping")
    ema: float = option(0.99, "decay of the averaged weights that are evaluated and kept; 0: none")
    patience: int = option(0, "stop after so many epochs without a better score; 0: never")
    seed: int = option(0, "seed of every random draw")

    def __post_init__(self) -> None:
        coerce(self)
        choose(self, "optimizer", OPTIMIZERS)
        choose(self, "norm", NORMS)
        learnt = self.pretrained or self.weights
        demand(self, "norm", bool(learnt) or self.norm != "frozen", "train or group without pretrained and weights")
        if not drops(self.schedule):
            choose(self, "schedule", SCHEDULES)
        choose(self, "balance", BALANCES)
        for name in ("epochs", "batch"):
            demand(self, name, getattr(self, name) >= 1, "1 or more")
        demand(self, "imgsz", bool(self.imgsz) and min(self.imgsz, default=0) >= 1, "lengths in pixels, 1 or more")
        sides = self.resize if self.resize is not None else (1,)
        square = len(sides) in (1, 2) and len(set(sides)) == 1 and sides[0] >= 1
        demand(self, "resize", square, "a length in pixels, 1 or more, or the same length twice")
        rising = len(self.scale) > 1 and self.scale[0] > 0 and list(self.scale) == sorted(self.scale)
        demand(self, "scale", rising, "two factors above 0 or more, the smaller first, for example 0.5,2")
        for name in ("lr", "encoder_lr", "bias_lr"):
            demand(self, name, getattr(self, name) > 0, "above 0")
        demand(self, "warmup", 0 <= self.warmup < 1, "a share of the steps: 0 or more and below 1")
        for name in ("ema", "momentum"):
            demand(self, name, 0 <= getattr(self, name) < 1, "0 or more and below 1")
        demand(self, "auxiliary", self.auxiliary is None or self.auxiliary >= 0, "0 or more")
        own = ", ".join(key for key in self.arguments if key in ("num_classes", "classes", "backbone", "pretrained"))
        demand(self, "arguments", not own, f"without {own}, of which the recipe itself decides")
        for name in ("weight_decay", "clip", "patience", "seed"):
            demand(self, name, getattr(self, name) >= 0, "0 or more")

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Recipe:
        """The recipe of plain values; text is turned into each field's type, lists may be written `a,b`.

        Raises:
            ValueError: for a key that no recipe has, naming the nearest one; for a value of the wrong type.
        """
        check_keys(record, cls, "a recipe has no key")
        if "data" not in record:
            raise ValueError("the recipe does not say which data to train on: give data")
        return cls(**record)

    @classmethod
    def from_yaml(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
        """The recipe in a YAML file of one level, or the shipped one of that name, with some keys changed.

        Raises:
            FileNotFoundError: there is neither such a file nor such a recipe.
            Misfit: a change has a value that its key cannot have.
            ValueError: the file is wrong, which is named.
        """
        changes = changes or {}
        path = file_of(path)
        try:
            record = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"the recipe {path} is not there: give a YAML file with lines like `epochs: 60`, or the name of one "
                f"that is shipped: {suggest(path.name, recipes())}"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no YAML file: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"{path} must hold lines like `epochs: 60`, not {type(record).__name__}")
        try:
            return cls.from_dict({**record, **changes})
        except ValueError as error:
            if isinstance(error, Misfit) and error.name in changes:
                raise
            raise ValueError(f"{path}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, lists for tuples: for YAML and JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def to_yaml(self, path: str | Path) -> None:
        """Write every key, the defaults too, with its meaning."""
        values = {key: json.dumps(value, ensure_ascii=False) for key, value in self.to_dict().items()}
        lines = [f"{f'{f.name}: {values[f.name]}':40s}  # {f.metadata['help']}\n" for f in fields(self)]
        write_text(Path(path), "".join(lines))


@dataclass(frozen=True)
class Machine:
    """What the training runs on; none of it is part of the recipe. Each field's meaning is its `help`.

    Raises:
        ValueError: for a value outside its range or an unknown choice, with what is allowed.
    """

    device: str = option("auto", f"{', '.join(DEVICES)}; auto takes the GPU where there is one")
    devices: int = option(1, "processes on each machine: one a GPU, or several on the CPU")
    nodes: int = option(1, "machines")
    workers: int | None = option(
        None, "processes that load images, for each training process; chosen by the number of cores when not given"
    )
    precision: str = option("auto", f"{', '.join(PRECISIONS)}; auto takes bf16 where the hardware has it")
    accumulate: int = option(1, "parts that each batch is worked through in, to save memory")
    loggers: tuple[str, ...] = option(("csv", "tensorboard"), f"where to log: {', '.join(LOGGERS)}")

    def __post_init__(self) -> None:
        coerce(self)
        choose(self, "device", DEVICES)
        choose(self, "precision", PRECISIONS)
        for name in ("devices", "nodes", "accumulate"):
            demand(self, name, getattr(self, name) >= 1, "1 or more")
        demand(self, "workers", self.workers is None or self.workers >= 0, "0 or more")
        unknown = [name for name in self.loggers if name not in LOGGERS]
        demand(self, "loggers", not unknown, f"some of {', '.join(LOGGERS)}")
