"""pixelwise: semantic, instance and panoptic segmentation of your own images.

>>> import pixelwise
>>> model = pixelwise.load("runs/cells/best.safetensors")  # doctest: +SKIP
>>> result = pixelwise.predict(model, "image.jpg")  # doctest: +SKIP
>>> pixelwise.save(result, "image.png")  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `__getattr__` finds below, spelled out so that type checkers know each name's type
    from .classes import Classes as Classes
    from .data.opening import open_dataset as open_dataset
    from .drawing.overlay import draw as draw
    from .evaluation.scoring import evaluate as evaluate
    from .images.reading import read_image as read_image
    from .inference.folder import predict_files as predict_files
    from .inference.predictor import Predictor as Predictor
    from .inference.predictor import predict as predict
    from .inspection.report import inspect as inspect
    from .masks import Masks as Masks
    from .models.merged import merge as merge
    from .panoptic_building.build import build_panoptic as build_panoptic
    from .postprocess.chain import Chain as Chain
    from .postprocess.crf import CRF as CRF
    from .postprocess.crf import RecurrentCRF as RecurrentCRF
    from .postprocess.mean_field import mean_field as mean_field
    from .postprocess.panoptic_merging import MergeRules as MergeRules
    from .sample import Batch as Batch
    from .sample import Sample as Sample
    from .segmentation import Segmentation as Segmentation
    from .summary.model_summary import summarize as summarize
    from .training.recipe import Recipe as Recipe
    from .training.run import train as train
    from .tuning import tune as tune
    from .weights.checkpoint import load as load
    from .weights.creation import create as create
    from .weights.registration import register as register
    from .weights.rename import load_weights as load_weights
    from .writers.saving import save as save

__version__ = "0.1.0"

# The public names and the modules that hold them: a module is imported when one of its names is first used.
_PUBLIC = {
    "Batch": "sample",
    "CRF": "postprocess.crf",
    "Chain": "postprocess.chain",
    "Classes": "classes",
    "Masks": "masks",
    "MergeRules": "postprocess.panoptic_merging",
    "Predictor": "inference.predictor",
    "Recipe": "training.recipe",
    "RecurrentCRF": "postprocess.crf",
    "Sample": "sample",
    "Segmentation": "segmentation",
    "build_panoptic": "panoptic_building.build",
    "create": "weights.creation",
    "draw": "drawing.overlay",
    "evaluate": "evaluation.scoring",
    "inspect": "inspection.report",
    "load": "weights.checkpoint",
    "load_weights": "weights.rename",
    "mean_field": "postprocess.mean_field",
    "merge": "models.merged",
    "open_dataset": "data.opening",
    "predict": "inference.predictor",
    "predict_files": "inference.folder",
    "read_image": "images.reading",
    "register": "weights.registration",
    "save": "writers.saving",
    "summarize": "summary.model_summary",
    "train": "training.run",
    "tune": "tuning",
}
__all__ = sorted(_PUBLIC)

if not TYPE_CHECKING:  # to a type checker it would make every misspelled name valid

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"pixelwise has no {name!r}; it has: {', '.join(__all__)}")
        value = getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
        globals()[name] = value  # found at once from now on
        return value


def __dir__() -> list[str]:
    return __all__
