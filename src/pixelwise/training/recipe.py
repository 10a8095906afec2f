"""The recipe of a training (YAML file, flags and checkpoint record at once) and the machine that it runs on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from ..images.intensity import as_intensity
from ..ops.atomic_files import write_text
from ..ops.names import check_keys, suggest
from .optimisation.schedule import SCHEDULES, drops
from .options import OptionError, coerce, option, require, require_choice
from .recipe_library import file_of, recipes

OPTIMIZERS = ("adamw", "sgd")
NORMS = ("train", "frozen", "group")
BALANCES = ("none", "median", "enet", "inverse-sqrt", "rare")
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")
PRECISIONS = ("auto", "fp32", "bf16")
EXTRA_LOGGERS = ("tensorboard", "wandb", "mlflow")
"""Loggers whose packages are extras of pixelwise of the same name."""

LOGGERS = ("csv", *EXTRA_LOGGERS)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the trained weights; each field's meaning is its `help`.

    Raises:
        ValueError: a value is not allowed; says what is.

    >>> Recipe("cells", imgsz=320).imgsz
    (320,)
    """

    data: str = field(metadata={"help": "folder or list file of the images and their annotations"})
    format: str | None = option(None, "format of the data; recognised when not given")
    classes: tuple[str, ...] = option((), "class names in the order of their mask values: background,cell")
    void: tuple[int, ...] = option((), "mask values to ignore, as they belong to no class")
    colors: str | None = option(None, "colours of RGB masks: sky=0,0,255;road=128,64,128")
    images: str | None = option(None, "folder of the images, where names do not tell: images, also of each split")
    masks: str | None = option(None, "folder of the masks of `images`: 1st_manual")
    range: str | None = option(
        None, "values of images of more than 8 bits that become 0 and 255: LOW,HIGH; estimated when not given"
    )
    resize: tuple[int, ...] | None = option(
        None, "resize images to this shorter side first, pixels; 550,550: to a square, whatever the aspect ratio"
    )
    model: str = option("unet", "method: a name from `pixelwise models`")
    backbone: str | None = option("tf_efficientnet_lite0", "timm encoder; none: the method's own")
    arguments: dict[str, Any] = field(
        default_factory=dict,
        metadata={"help": "arguments of the method's constructor: output_stride=8,anchors=[8,16,32,64,128]"},
    )
    pretrained: str | None = option("auto", "ImageNet weights of the backbone: auto, none, or a file of them")
    weights: str | None = option(None, "checkpoint or run to start from, of this method or one of its family")
    max_detections: int | None = option(
        None,
        "largest number of objects that the model finds in an image; 1.5 times the most of the data when not given",
    )
    loss: str = option(
        "ce+dice", "loss of semantic methods: ce, ce+dice, focal, ce+0.5*lovasz …; others have losses of their own"
    )
    balance: str = option(
        "none",
        f"class balancing: {', '.join(BALANCES)}; rare draws images more often, the others weight classes",
    )
    epochs: int = option(60, "passes over the training images")
    batch: int = option(8, "images in each step, over all processes and accumulated parts together")
    imgsz: tuple[int, ...] = option((256,), "side of the square training crops, pixels; several: each batch draws one")
    scale: tuple[float, ...] = option(
        (0.5, 2.0), "smallest and largest factor of random scaling; three or more: one of these factors is drawn"
    )
    augment: str = option(
        "default", "augmentation: none, light, default, strong, topdown, pspnet, paste, lsj or copy-paste"
    )
    optimizer: str = option("adamw", f"optimiser: {', '.join(OPTIMIZERS)}")
    momentum: float = option(0.9, "momentum of sgd")
    lr: float = option(2e-3, "highest learning rate; 2e-4 suits the paper's U-Net")
    encoder_lr: float = option(1 / 3, "learning rate of a pretrained backbone, as a factor of lr")
    bias_lr: float = option(1.0, "learning rate of biases, as a factor of that of the weights beside them")
    schedule: str = option(
        "poly",
        f"learning rate schedule: {', '.join(SCHEDULES)}; step:0.3,0.6 divides by ten after these shares of the run",
    )
    warmup: float = option(0.05, "share of the steps in which the learning rate rises to lr")
    weight_decay: float = option(0.01, "weight decay; biases and normalisations have none")
    norm: str = option(
        "train",
        "batch normalisation: train; frozen: pretrained statistics stay, for small batches; group: like frozen, "
        "with group normalisation outside the backbone",
    )
    auxiliary: float | None = option(None, "factor of the auxiliary losses; the method's own when not given")
    clip: float = option(1.0, "largest norm of the gradient; 0: no clipping")
    ema: float = option(0.99, "decay of the averaged weights that are validated and saved; 0: no averaging")
    patience: int = option(0, "stop after this many epochs without a better score; 0: never")
    seed: int = option(0, "seed of every random draw")

    def __post_init__(self) -> None:
        coerce(self)
        self._check_choices()
        self._check_data()
        self._check_numbers()

    def _check_choices(self) -> None:
        require_choice(self, "optimizer", OPTIMIZERS)
        require_choice(self, "norm", NORMS)
        require_choice(self, "balance", BALANCES)
        if not drops(self.schedule):
            require_choice(self, "schedule", SCHEDULES)
        pretrained = bool(self.pretrained or self.weights)
        require(self, "norm", pretrained or self.norm != "frozen", "train or group without pretrained and weights")
        decided = ", ".join(
            key for key in self.arguments if key in ("num_classes", "classes", "backbone", "pretrained")
        )
        require(self, "arguments", not decided, f"without {decided}: the recipe has keys for that")

    def _check_data(self) -> None:
        require(self, "imgsz", min(self.imgsz, default=0) >= 1, "lengths in pixels, 1 or more")
        if self.resize is not None:
            one_side = len(self.resize) in (1, 2) and len(set(self.resize)) == 1
            expected = "a length in pixels, 1 or more, or the same length twice"
            require(self, "resize", one_side and self.resize[0] >= 1, expected)
        self._check_range()
        rising = len(self.scale) > 1 and self.scale[0] > 0 and list(self.scale) == sorted(self.scale)
        require(self, "scale", rising, "two factors above 0 or more, the smaller first, for example 0.5,2")

    def _check_range(self) -> None:
        try:
            as_intensity(self.range)
        except ValueError as error:
            raise OptionError("range", str(error).removeprefix("intensity ")) from None

    def _check_numbers(self) -> None:
        for name in ("epochs", "batch"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        for name in ("lr", "encoder_lr", "bias_lr"):
            require(self, name, getattr(self, name) > 0, "above 0")
        for name in ("weight_decay", "clip", "patience", "seed"):
            require(self, name, getattr(self, name) >= 0, "0 or more")
        for name in ("ema", "momentum"):
            require(self, name, 0 <= getattr(self, name) < 1, "0 or more and below 1")
        require(self, "max_detections", self.max_detections is None or self.max_detections >= 1, "1 or more")
        require(self, "warmup", 0 <= self.warmup < 1, "a share of the steps: 0 or more and below 1")
        require(self, "auxiliary", self.auxiliary is None or self.auxiliary >= 0, "0 or more")

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Recipe:
        """Make a recipe of plain values; text is converted to each field's type, lists may be written `a,b`.

        Raises:
            ValueError: a key does not exist, a value has the wrong type, or `data` is missing.
        """
        check_keys(record, cls, "a recipe has no key")
        if "data" not in record:
            raise ValueError("the recipe does not say which data to train on: give data")
        return cls(**record)

    @classmethod
    def from_yaml(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
        """Read the recipe in a YAML file of one level, or the shipped recipe of that name.

        Args:
            path: of the file, or the name of a shipped recipe.
            changes: keys that win over those of the file.

        Raises:
            FileNotFoundError: there is neither such a file nor such a recipe.
            OptionError: a change has a value that is not allowed.
            ValueError: the file is not a recipe; names the file.
        """
        changes = changes or {}
        path = file_of(path)
        try:
            record = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"the recipe {path} is not there: give a YAML file with lines like `epochs: 60`, or the name of a "
                f"shipped recipe: {suggest(path.name, recipes())}"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a YAML file: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"{path} must hold lines like `epochs: 60`, not {type(record).__name__}")
        try:
            return cls.from_dict({**record, **changes})
        except ValueError as error:
            if isinstance(error, OptionError) and error.name in changes:
                raise
            raise ValueError(f"{path}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, lists for tuples: for YAML and JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def to_yaml(self, path: str | Path) -> None:
        """Write every key, those with defaults too, with its help."""
        values = self.to_dict()
        lines = []
        for f in fields(self):
            entry = f"{f.name}: {json.dumps(values[f.name], ensure_ascii=False)}"
            lines.append(f"{entry:40s}  # {f.metadata['help']}\n")
        write_text(Path(path), "".join(lines))


@dataclass(frozen=True)
class Machine:
    """The machine that a training runs on; nothing of it is part of the recipe. Each field's meaning is its `help`.

    Raises:
        ValueError: a value is not allowed; says what is.
    """

    device: str = option("auto", f"device: {', '.join(DEVICES)}; auto takes a GPU if there is one")
    devices: int = option(1, "processes on each machine: one for each GPU, or several on the CPU")
    nodes: int = option(1, "machines")
    workers: int | None = option(
        None, "processes that load images, for each training process; by the number of cores when not given"
    )
    precision: str = option("auto", f"precision: {', '.join(PRECISIONS)}; auto takes bf16 where the hardware has it")
    accumulate: int = option(1, "parts that each batch is worked through in, to save memory")
    loggers: tuple[str, ...] = option(("csv",), f"loggers: {', '.join(LOGGERS)}; metrics.csv is written in any case")

    def __post_init__(self) -> None:
        coerce(self)
        # By its spelling, as this file is read before torch is loaded; whether it is here, `find_device` finds out.
        spelled = re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", self.device)
        require(self, "device", spelled is not None, f"one of {', '.join(DEVICES)}")
        require_choice(self, "precision", PRECISIONS)
        for name in ("devices", "nodes", "accumulate"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        require(self, "workers", self.workers is None or self.workers >= 0, "0 or more")
        unknown = [name for name in self.loggers if name not in LOGGERS]
        require(self, "loggers", not unknown, f"some of {', '.join(LOGGERS)}")
