"""pixelwise: semantic, instance and panoptic segmentation of your own images.

>>> import pixelwise
>>> model = pixelwise.load("runs/cells/best.safetensors")  # doctest: +SKIP
>>> result = pixelwise.predict(model, "image.jpg")  # doctest: +SKIP
>>> pixelwise.save(result, "image.png")  # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# The public names and the modules that hold them: nothing is imported before it is used.
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
    "evaluate": "evaluation",
    "inspect": "inspection.report",
    "load": "weights.checkpoint",
    "load_weights": "weights.rename",
    "mean_field": "postprocess.mean_field",
    "merge": "models.merged",
    "open_dataset": "data.dataset",
    "predict": "inference.predictor",
    "predict_files": "inference.folder",
    "read_image": "images.decoding",
    "save": "inference.folder",
    "summarize": "summary.model_summary",
    "train": "training.run",
    "tune": "tuning",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"pixelwise has no {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
