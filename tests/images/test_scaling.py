from __future__ import annotations

import cv2
import numpy as np
import pytest

from pixelwise.images.scaling import scaled, scaled_rows

SIZES = [
    ((300, 200), (97, 61)),
    ((300, 200), (150, 100)),
    ((300, 200), (225, 150)),
    ((300, 200), (299, 199)),
    ((300, 200), (450, 300)),
    ((2000, 40), (7, 1)),
    ((5, 5), (1, 1)),
    ((3, 4), (300, 400)),
]


@pytest.mark.parametrize(("size", "target"), SIZES)
@pytest.mark.parametrize("rows", [1, 7, 300])
def test_scaling_row_by_row_equals_scaling_the_whole(size, target, rows, nuclei_sample):
    photo = cv2.imread(str(sorted((nuclei_sample / "images").glob("*"))[0]))
    image = np.tile(photo, (-(-size[0] // len(photo)), -(-size[1] // photo.shape[1]), 1))[: size[0], : size[1]]
    parts = list(scaled_rows((image[top : top + rows] for top in range(0, size[0], rows)), size, target))
    actual, whole = np.concatenate(parts), scaled(image, target)
    assert actual.shape == whole.shape
    assert np.abs(actual.astype(int) - whole).max() <= 1
    assert len(parts) > 1 or len(image) <= 64
