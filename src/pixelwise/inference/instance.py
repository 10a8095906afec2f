"""Prediction of objects; of large images in tiles, whose objects are united."""

from __future__ import annotations

from torch import Tensor

from ..ops.resize import Resizing
from ..segmentation import Segmentation
from .method import NOTHING, Method
from .tiles import Tiling
from .unite_tiles import unite_tiles

AS_IT_IS = Resizing()
"""No resizing."""


class InstancePredictor(Method):
    """Predicts objects: in the whole image, or in each tile as an image of its own."""

    def check(self) -> None:
        self.refuse_views_and_crf()
        threshold = self.options.score_threshold
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f"score_threshold is {threshold}: it is the lowest confidence score, from 0 (all) to 1")

    def predict(self, image: Tensor, score_threshold: float) -> Segmentation:
        """The detections that reach the score threshold and cover a pixel, after the post-processing."""
        # A model that resizes images sees large ones reduced: it is given tiles only when they are asked for.
        automatic = self.model.resizing == AS_IT_IS
        tiling = self.tiling_for(image.shape[1], image.shape[2], automatic=automatic)
        if tiling is None:
            detections = self.whole(self.model, image)
        else:
            detections = self._predict_tiles(image, tiling)
        if self.options.score_threshold is not None:
            score_threshold = self.options.score_threshold
        detections = detections.select((detections.scores >= score_threshold) & (detections.areas() > 0))
        return detections if self.postprocess == NOTHING else self.postprocess.clean(detections)

    def _predict_tiles(self, image: Tensor, tiling: Tiling) -> Segmentation:
        height, width = image.shape[1:]
        tiles = []
        for left, top, right, bottom in tiling.windows(height, width):
            detections = self.whole(self.model, image[:, top:bottom, left:right])
            tiles.append(((left, top, right, bottom), detections))
        return unite_tiles(tiles, (height, width))
