"""The names that are known without PyTorch are those of the library."""

from __future__ import annotations

import pytest

from pixelwise.cli import known_names


@pytest.mark.parametrize(
    ("names", "module", "table"),
    [
        ("METHODS", "models", "MODELS"),
        ("LOSSES", "losses", "LOSSES"),
        ("AUGMENTATIONS", "data.augmentation.transforms", "AUGMENTATIONS"),
        ("DATA_FORMATS", "data.opening", "READERS"),
        ("RESULT_FORMATS", "writers.formats", "WRITERS"),
        ("SPLITS", "postprocess.split_touching", "SPLITS"),
        ("CRFS", "postprocess.crf", "PARAMETERS"),
        ("LAYOUTS", "weights.rename", "LAYOUTS"),
        ("PUBLISHED", "weights.published", "PRESETS"),
        ("PRECISIONS", "inference.predictor", "PRECISIONS"),
    ],
)
def test_names_are_those_of_the_library(names, module, table):
    from importlib import import_module

    known = vars(import_module(f"pixelwise.{module}"))[table]
    # Other tests register model classes of their own.
    built_in = [name for name in known if getattr(known, "get", dict)(name) is not None]
    if names == "METHODS":
        built_in = [name for name in known if known[name].__module__.startswith("pixelwise.")]
    assert list(getattr(known_names, names)) == built_in


def test_the_fields_of_a_crf_are_those_of_the_library():
    from dataclasses import fields

    from pixelwise import CRF

    assert tuple(field.name for field in fields(CRF)) == known_names.CRF_FIELDS


def test_the_prefix_of_synthetic_data_is_that_of_the_library():
    from pixelwise.data import shapes

    assert shapes.PREFIX == known_names.SHAPES
