from __future__ import annotations

import cv2
import numpy as np
import pytest

import pixelwise
from pixelwise.data.intensity_estimate import as_for_model, estimated_range
from pixelwise.images.intensity import IntensityRange


@pytest.fixture
def exposures(tmp_path):
    """Two scenes of 16 bits, the second four times as bright as the first, and their masks."""
    scene = np.random.default_rng(0).integers(100, 900, (40, 50)).astype(np.uint16)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name, factor in (("a", 1), ("b", 4)):
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), scene * factor)
        cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), (scene > 500).astype(np.uint8))
    return tmp_path


def means(data):
    return [float(data.image(i).float().mean()) for i in range(len(data))]


def test_one_range_holds_for_all_images_and_is_said(exposures):
    data = pixelwise.open_dataset(exposures, split=None)
    ((low, high),) = data.intensity.limits
    assert 100 <= low < 120
    assert 3500 < high < 3600
    assert any(f"16-bit images: values {low:g} to {high:g} (0.5 % and 99.5 % of 2 images)" in n for n in data.notes)
    dark, bright = means(data)
    assert (bright + low * 255 / (high - low)) / (dark + low * 255 / (high - low)) == pytest.approx(4, rel=0.02)
    assert pixelwise.open_dataset(exposures, split=None).intensity == data.intensity


def test_what_is_stated_wins(exposures):
    for stated in ("0,3600", (0, 3600), IntensityRange(((0.0, 3600.0),))):
        data = pixelwise.open_dataset(exposures, split=None, intensity=stated)
        dark, bright = means(data)
        assert bright / dark == pytest.approx(4, rel=0.01)
        assert not any("--range" in note for note in data.notes)
        assert as_for_model(data, IntensityRange(((0.0, 1.0),))) is data


def test_a_model_brings_its_range(exposures):
    data = pixelwise.open_dataset(exposures, split=None)
    own = IntensityRange(((0.0, 1000.0),))
    assert as_for_model(data, own).intensity == own
    assert as_for_model(data, None) is data


def test_bytes_have_no_range(nuclei_sample):
    assert pixelwise.open_dataset(nuclei_sample, split="val").intensity is None


def test_a_broken_image_is_left_to_its_readers(exposures):
    (exposures / "images" / "a.png").write_bytes(b"no image")
    ((_, high),) = pixelwise.open_dataset(exposures, split=None).intensity.limits
    assert high > 3500


def test_channels_have_ranges_of_their_own_where_they_differ():
    values = np.random.default_rng(0).integers(0, 1000, (5000, 3)).astype(np.uint16)
    assert len(estimated_range([values]).limits) == 1
    assert len(estimated_range([values * np.array([1, 1, 3], np.uint16)]).limits) == 3
    assert len(estimated_range([values * np.array([1, 1, 3], np.uint16), values[:, :1]]).limits) == 1
    assert estimated_range([values * 0]) is None
    assert estimated_range([]) is None
