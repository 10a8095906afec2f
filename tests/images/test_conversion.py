from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelwise.images.conversion import as_rgb, full_scale_of, max_value, on_white
from pixelwise.images.intensity import IntensityRange

FILE = Path("a.tif")
TEN_BITS = IntensityRange(((0.0, 1023.0),))


def test_bytes_stay_as_they_are():
    grey = np.array([[0, 7, 255]], np.uint8)
    assert as_rgb(grey, TEN_BITS).tolist() == [[[0] * 3, [7] * 3, [255] * 3]]
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert (as_rgb(rgb, TEN_BITS) == rgb).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_all_types_are_rescaled_alike(dtype):
    values = np.array([[0, 100, 999, 1023, 2000]], dtype)
    assert as_rgb(values, TEN_BITS)[0, :, 0].tolist() == [0, 25, 249, 255, 255]


def test_alpha_has_a_full_scale_of_its_own():
    pixels = np.array([[[1023, 0, 0, 65535], [1023, 0, 0, 0]]], np.uint16)
    assert as_rgb(pixels, TEN_BITS).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_blending_with_white_rounds_to_the_nearest_value():
    grey, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    pixels = np.stack([grey, grey, grey, alpha], 2)
    share = pixels[..., 3:] / 255
    expected = np.rint(pixels[..., :3] * share + 255 * (1 - share))
    assert (on_white(pixels) == expected).all()


def test_the_full_scale_is_the_smallest_that_is_not_exceeded():
    assert full_scale_of(FILE, np.dtype(np.uint16), 1023) == 1023
    assert full_scale_of(FILE, np.dtype(np.uint16), 1024) == 4095
    assert full_scale_of(FILE, np.dtype(np.float32), 0.5) == 1
    assert full_scale_of(FILE, np.dtype(np.float32), 1.5) == 255
    with pytest.raises(ValueError, match=r"a\.tif: holds values up to 70000, more than 65535: state --range LOW,HIGH"):
        full_scale_of(FILE, np.dtype(np.uint32), 70000)


def test_the_largest_value_of_sound_numbers():
    assert max_value(FILE, np.array([3, 9, 1])) == 9
    for values, text in (([1, np.nan], "1 of 2 values are NaN or infinite"), ([-1.0, 2], "negative values")):
        with pytest.raises(ValueError, match=text):
            max_value(FILE, np.array(values))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_a_range_is_linear_and_clips(dtype):
    values = np.array([[50, 100, 201, 300, 400]], dtype)
    assert as_rgb(values, IntensityRange(((100, 300),)))[0, :, 0].tolist() == [0, 0, 129, 255, 255]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_each_channel_may_have_a_range_of_its_own(dtype):
    values = np.array([[[100, 100, 100]]], dtype)
    ranges = IntensityRange.parse("0,100;0,300;100,200")
    assert as_rgb(values, ranges).tolist() == [[[255, 85, 0]]]
    with pytest.raises(ValueError, match="three channels, and the image is grey: state one LOW,HIGH"):
        as_rgb(values[..., 0], ranges)


def test_a_range_of_negative_values():
    values = np.array([[-1000, -160, 41, 240]], np.int16)
    assert as_rgb(values, IntensityRange.window(40, 400))[0, :, 0].tolist() == [0, 0, 128, 255]
