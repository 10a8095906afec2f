"""Bootstrap intervals: of the spread over images, which one image does not have."""

from __future__ import annotations

import numpy as np

from pixelwise.metrics.bootstrap import bootstrap


def spread(images: int):
    def scores(times):
        return {"mean": times @ np.arange(images) / images}

    return bootstrap(scores, images, np.random.default_rng(0), 50, 0.9)


def test_one_image_has_no_interval():
    assert spread(0) == {}
    assert spread(1) == {}


def test_two_images_have_one():
    low, high = spread(2)["mean"]
    assert low < high
