from __future__ import annotations

import pytest
import torch

from pixelwise.inspection.duplicates import find_equal_images, find_similar_images
from pixelwise.inspection.fingerprints import THUMBNAIL_SIDE, pixel_digest, thumbnail
from pixelwise.inspection.survey import SurveyedImage


def scene(seed: int) -> torch.Tensor:
    coarse = torch.randint(0, 256, (1, 3, 5, 7), generator=torch.Generator().manual_seed(seed)).float()
    return torch.nn.functional.interpolate(coarse, (60, 80), mode="bilinear")[0].byte()


def surveyed(split: str, name: str, image: torch.Tensor) -> SurveyedImage:
    return SurveyedImage(split, 0, name, digest=pixel_digest(image), thumbnail=thumbnail(image))


def test_a_digest_tells_pixels_and_sizes_apart():
    image = scene(0)
    assert pixel_digest(image) == pixel_digest(image.clone())
    assert pixel_digest(image) != pixel_digest(image.flip(1))
    grey = torch.zeros(3, 4, 6, dtype=torch.uint8)
    assert pixel_digest(grey) != pixel_digest(grey.reshape(3, 6, 4))


def test_thumbnails_correlate_whatever_the_brightness():
    first, second = thumbnail(scene(0)), thumbnail((scene(0) * 0.8 + 20).byte())
    assert first.shape == (THUMBNAIL_SIDE**2,)
    assert first @ first == pytest.approx(1)
    assert first @ second > 0.999
    assert first @ thumbnail(scene(1)) < 0.9
    assert not thumbnail(torch.full((3, 30, 30), 99, dtype=torch.uint8)).any()


def test_equal_images_are_grouped():
    images = [surveyed(split, name, scene(seed)) for split, name, seed in (("a", "x", 0), ("a", "y", 1), ("b", "z", 0))]
    unreadable = SurveyedImage("a", 3, "broken", "image", "cannot be read")
    groups = find_equal_images([*images, unreadable, unreadable])
    assert [[image.name for image in group] for group in groups] == [["x", "z"]]


def test_similar_images_are_found_in_earlier_splits_only():
    brighter = (scene(0) * 0.9 + 9).byte()
    images = [
        surveyed("train", "x", scene(0)),
        surveyed("train", "brighter in the same split", brighter),
        surveyed("val", "brighter", (scene(0) * 0.8 + 9).byte()),
        surveyed("val", "equal", scene(0)),
        surveyed("val", "other", scene(1)),
    ]
    pairs = find_similar_images(images[:1] + images[2:])
    assert [(pair.earlier.name, pair.image.name) for pair in pairs] == [("x", "brighter")]
    assert find_similar_images(images[:2]) == []
