from __future__ import annotations

import cv2
import numpy as np
import pytest

from pixelwise.drawing.plots import histogram
from pixelwise.inspection.intensities import share_of_range
from pixelwise.inspection.report import inspect


def test_the_share_of_the_range():
    counts = np.zeros((3, 256), np.int64)
    counts[:, 100] = 500
    assert share_of_range(counts) == 0
    counts[:, 202] = 500
    assert share_of_range(counts) == pytest.approx(0.4)
    counts[:, 255] = 2  # fewer than count as outliers
    assert share_of_range(counts) == pytest.approx(0.4)


def test_a_histogram_is_an_image():
    counts = np.arange(3 * 256).reshape(3, 256)
    for limits in ([(0, 1000)], [(0, 1000), (0, 2000), (5, 9)]):
        image = histogram(counts, limits)
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        assert (image == histogram(counts, limits)).all()


@pytest.mark.parametrize("high", [200, 60_000])
def test_an_image_without_contrast_is_named(tmp_path, high):
    """The scene is `high` bright in most images, and a fiftieth of that in one, as with a wrong exposure."""
    scene = np.random.default_rng(0).random((32, 32))
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for name in "abcdef":
        factor = high / 50 if name == "c" else high
        cv2.imwrite(str(tmp_path / "data" / "images" / f"{name}.png"), (scene * factor).astype(np.uint16))
        cv2.imwrite(str(tmp_path / "data" / "masks" / f"{name}.png"), (scene > 0.5).astype(np.uint8))
    inspection = inspect(tmp_path / "data", tmp_path / "out")
    (finding,) = (one for one in inspection.findings if one.kind == "contrast")
    assert finding.level == "warning"
    assert "1 image uses less than 10% of the range of values" in finding.text
    assert [name.rpartition("/")[2] for name in finding.images] == ["c"]
    assert any("become 0 to 255" in one.text for one in inspection.findings if one.kind == "reading")
    assert "Intensities of the images of more than 8 bits" in inspection.page.read_text("utf-8")
