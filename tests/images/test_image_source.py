from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise.images.reading import load_image


def test_arrays_of_all_shapes():
    rgb = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert torch.equal(load_image(rgb).permute(1, 2, 0), torch.from_numpy(rgb))
    rgba = np.dstack([rgb, np.full((2, 4), 255, np.uint8)])
    assert torch.equal(load_image(rgba), load_image(rgb))
    rgba[0, 0, 3] = 0
    assert load_image(rgba)[:, 0, 0].tolist() == [255, 255, 255]
    assert torch.equal(load_image(Image.fromarray(rgba)), load_image(rgba))
    grey = rgb[..., 0]
    assert torch.equal(load_image(grey), load_image(grey[:, :, None]))
    assert (load_image(grey).numpy() == grey).all()


@pytest.mark.filterwarnings("error")
def test_arrays_that_cannot_be_written():
    made = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    image = load_image(np.asarray(made))
    assert torch.equal(image, load_image(made))
    image[:] = 0
    assert np.asarray(made).max() == 23


def test_pil_images_are_turned_upright_and_made_rgb():
    upright = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    upright.getexif()[274] = 6
    assert load_image(upright).shape == (3, 3, 2)
    assert load_image(upright)[0].tolist() == [[3, 0], [4, 1], [5, 2]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_pil_and_files_agree(mode, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
    made = Image.fromarray(pixels).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    made.save(path)
    assert torch.equal(load_image(made), load_image(path))


def test_deep_pil_images_are_refused():
    with pytest.raises(ValueError, match="'I;16' has no full scale"):
        load_image(Image.fromarray(np.zeros((2, 2), np.uint16)))


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        (3, TypeError, "not int"),
        (np.zeros((4, 4, 3)), TypeError, "float64"),
        (torch.zeros(3, 4, 4), TypeError, "float32"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), ValueError, r"\(4, 4, 3\)"),
        (np.zeros((3, 4, 9), np.uint8), ValueError, r"\(3, 4, 9\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"\(0, 4, 3\)"),
    ],
)
def test_what_is_no_image(source, error, text):
    with pytest.raises(error, match=text):
        load_image(source)
