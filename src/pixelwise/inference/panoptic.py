"""Panoptic prediction, by one model or by a semantic and an instance model that were merged."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from torch import Tensor

from ..models.base import Model
from ..models.merged import MergedModel
from ..segmentation import Segmentation
from .instance import InstancePredictor
from .method import NOTHING, Forward, Method, Options, Whole
from .semantic import SemanticPredictor


class PanopticPredictor(Method):
    """Predicts whole images; every segment of a panoptic map is needed, whatever its score."""

    def check(self) -> None:
        self.refuse_views_and_crf()
        self.refuse_score_threshold()
        if self.postprocess != NOTHING:
            raise self.refusal("its maps cannot be cleaned, only class maps and objects can; leave postprocess out")
        if self.options.tile is not None:
            raise self.refusal("its images cannot be cut into tiles, leave tile out")

    def predict(self, image: Tensor, score_threshold: float) -> Segmentation:
        return self.whole(self.model, image)


class MergedPredictor(Method):
    """Asks the semantic model, with the views and the CRF, and the instance model, and merges their predictions."""

    def __init__(self, model: Model, options: Options, whole: Whole, forward: Forward) -> None:
        super().__init__(model, options, whole, forward)
        merged = cast(MergedModel, model)
        # Each part has the post-processing that was saved with it, unless the merged model or the caller states one.
        chain = options.postprocess
        if chain is None and model.postprocess != NOTHING:
            chain = model.postprocess
        without_crf = None if chain is None else replace(chain, crf=None)
        parts = replace(options, postprocess=chain)
        objects = Options(tile=options.tile, overlap=options.overlap, postprocess=without_crf, score_threshold=0.0)
        self.merge = merged.merge
        self.semantic = SemanticPredictor(merged.semantic, parts, whole, forward)
        self.instance = InstancePredictor(merged.instance, objects, whole, forward)

    def check(self) -> None:
        self.refuse_score_threshold()

    def predict(self, image: Tensor, score_threshold: float) -> Segmentation:
        semantic = self.semantic.predict(image, score_threshold)
        instances = self.instance.predict(image, score_threshold)
        return self.merge(semantic, instances)
