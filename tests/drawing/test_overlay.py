from __future__ import annotations

import colorsys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.drawing.overlay import (
    AGREED,
    CONFUSED,
    FALSE_ALARM,
    MISSED,
    PREDICTED,
    RIGHT,
    TRUTH,
    _entries,
    boundaries,
    draw,
    errors,
    sheet,
)
from pixelwise.segmentation import Segmentation

CELLS = Classes(("background", "cell", "debris"), background=0, things=(False, True, False))
GREY = np.full((40, 60, 3), 100, np.uint8)


def class_map(*boxes: tuple[int, int, int, int, int]) -> Segmentation:
    """(value, top, bottom, left, right) each."""
    values = torch.zeros(40, 60, dtype=torch.uint8)
    for value, top, bottom, left, right in boxes:
        values[top:bottom, left:right] = value
    return Segmentation.from_class_map(values, CELLS)


def where(pixels: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (pixels == color).all(2)


def mixed(color: tuple[int, int, int], opacity: float) -> tuple[int, ...]:
    return tuple(round(100 * (1 - opacity) + value * opacity) for value in color)


def test_segments_are_tinted_and_outlined_and_the_background_stays():
    drawn = draw(GREY, class_map((1, 10, 30, 5, 25)), legend=False)
    assert drawn.shape == GREY.shape
    outline, inside = where(drawn, CELLS.colors[1]), where(drawn, mixed(CELLS.colors[1], 0.4))
    assert inside[11:29, 6:24].all()
    assert outline.sum() == 2 * 20 + 2 * 18
    assert outline[10, 5:25].all()
    outside = np.ones((40, 60), bool)
    outside[10:30, 5:25] = False
    assert (drawn[outside] == 100).all()


def test_void_stays_and_the_image_is_not_written_to():
    result = class_map((255, 0, 40, 0, 60))
    assert (draw(GREY, result, legend=False) == 100).all()
    draw(GREY, class_map((1, 0, 40, 0, 60)))
    assert (GREY == 100).all()


def test_touching_objects_are_told_apart():
    ids = torch.ones(40, 60, dtype=torch.int32)
    ids[:, 30:] = 2
    drawn = draw(GREY, Segmentation(CELLS, torch.tensor([1, 1]), ids=ids), labels=False, legend=False)
    assert where(drawn, CELLS.colors[1]).any(0).tolist() == [column in (29, 30) for column in range(60)]


def test_of_masks_that_overlap_the_smaller_is_on_top():
    masks = torch.zeros(2, 40, 60, dtype=torch.bool)
    masks[0, 10:20, 10:20] = True
    masks[1, 5:35, 5:55] = True
    instances = Segmentation(CELLS, torch.tensor([1, 2]), torch.tensor([0.1, 0.9]), masks=masks)
    drawn = draw(GREY, instances, outlines=False, labels=False, legend=False)
    assert where(drawn, mixed(CELLS.colors[1], 0.4)).sum() == 100
    assert where(drawn, mixed(CELLS.colors[2], 0.4)).sum() == 30 * 50 - 100


def objects(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (240, 320), scored: bool = True) -> Segmentation:
    """Of the class cell, y1 y2 x1 x2 each; the surest first."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (y1, y2, x1, x2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    scores = 0.9 - torch.arange(len(boxes)) / 1000 if scored else torch.ones(len(boxes))
    return Segmentation(CELLS, torch.ones(len(boxes), dtype=torch.int64), scores, masks=masks)


def test_objects_of_a_class_have_tints_near_its_color():
    boxes = [(20 * y, 20 * y + 18, 20 * x, 20 * x + 18) for y in range(3) for x in range(4)]
    drawn = draw(np.zeros((240, 320, 3), np.uint8), objects(*boxes), opacity=1, outlines=False, labels=False)
    tints = [tuple(drawn[y1 + 9, x1 + 9].tolist()) for y1, _, x1, _ in boxes]
    assert tints[0] == CELLS.colors[1]
    assert len(set(tints)) == len(boxes)
    hues = [colorsys.rgb_to_hls(*(value / 255 for value in tint))[0] for tint in tints]
    assert max(abs(hue - hues[0]) for hue in hues) < 0.06


def test_objects_are_named_where_there_is_room():
    image = np.full((240, 320, 3), 100, np.uint8)
    large, small, tiny = (60, 160, 40, 200), (180, 205, 40, 75), (180, 190, 150, 160)
    result = objects(large, small, tiny)
    named = (draw(image, result, legend=False) != draw(image, result, labels=False, legend=False)).any(2)
    above = named[60 - 20 : 60, 40:200].any(0)
    assert 35 < above.sum() < 80, "name and score"
    assert 15 < named[180 - 20 : 180, 30:110].any(0).sum() < 35, "the score alone"
    assert not named[160:, 110:].any(), "nothing at all"
    truth = objects(large, scored=False)
    true = (draw(image, truth, legend=False) != draw(image, truth, labels=False, legend=False)).any(2)
    assert 15 < true.any(0).sum() < above.sum(), "what is true has no score"
    semantic = class_map((1, 0, 40, 0, 60))
    assert (draw(GREY, semantic) == draw(GREY, semantic, labels=False)).all()


def test_a_label_stands_at_the_pixels_of_its_object_and_not_at_a_corner_of_its_box():
    """A slope that falls to the left, in a box whose upper left corner is bare, and a speck far away from it."""
    image, mask = np.full((240, 320, 3), 100, np.uint8), np.zeros((1, 240, 320), bool)
    for y in range(100, 200):
        mask[0, y, 260 - y : 300 - y] = True
    mask[0, 20:26, 10:16] = True
    result = Segmentation(CELLS, torch.tensor([1]), masks=torch.from_numpy(mask))
    named = (draw(image, result, legend=False) != draw(image, result, labels=False, legend=False)).any(2)
    rows, columns = named.nonzero()
    assert (rows.max() + 1, columns.min()) == (100, 160)


def test_an_object_without_a_pixel_has_no_label_and_is_not_counted():
    seen = objects((20, 20, 100, 100))
    masks = torch.cat([seen.masks.dense(), torch.zeros(1, 240, 320, dtype=torch.bool)])
    both = replace(seen, labels=seen.labels.repeat(2), scores=torch.tensor([0.9, 0.8]), masks=masks, crowd=None)
    image = torch.zeros(3, 240, 320, dtype=torch.uint8)
    assert np.array_equal(draw(image, both), draw(image, replace(seen, scores=torch.tensor([0.9]))))


def test_letters_grow_with_the_image():
    heights = []
    for size in ((300, 400), (1200, 1600)):
        result, image = objects((size[0] // 2, size[0], 0, size[1]), size=size), np.zeros((*size, 3), np.uint8)
        named = (draw(image, result, legend=False) != draw(image, result, labels=False, legend=False)).any(2)
        heights.append(int(named.any(1).sum()))
    assert heights[0] >= 10
    assert heights[1] > 2 * heights[0]


def test_outlines_grow_with_the_image():
    def share(height: int, width: int) -> float:
        values = torch.zeros(height, width, dtype=torch.uint8)
        values[height // 4 : height // 2, width // 4 : width // 2] = 1
        image = np.zeros((height, width, 3), np.uint8)
        drawn = draw(image, Segmentation.from_class_map(values, CELLS), opacity=0, legend=False)
        return where(drawn, CELLS.colors[1]).mean()

    assert share(3000, 4000) == pytest.approx(share(300, 400), rel=0.2)


def test_the_legend_names_what_is_there():
    image = draw(GREY, class_map((1, 10, 30, 5, 25)))
    below = image[40:]
    assert where(below, CELLS.colors[1]).any()
    assert not where(below, CELLS.colors[2]).any()
    assert draw(GREY, class_map()).shape == GREY.shape


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3000, 2)])
def test_images_of_any_size(size):
    image = np.zeros((*size, 3), np.uint8)
    result = Segmentation.from_class_map(torch.ones(size, dtype=torch.uint8), CELLS)
    for drawn in (draw(image, result), boundaries(image, result, result), errors(image, result, result)):
        assert drawn.dtype == np.uint8
        assert drawn.shape[0] > size[0]


def test_boundaries_of_found_and_true():
    found, truth = class_map((1, 10, 30, 5, 25)), class_map((1, 10, 30, 15, 35))
    drawn = boundaries(GREY, found, truth, legend=False)
    assert where(drawn, PREDICTED)[12:28, 5].all()
    assert where(drawn, TRUTH)[12:28, 34].all()
    assert where(drawn, AGREED)[10, 15:25].all()
    assert where(boundaries(GREY, found, legend=False), CELLS.colors[1])[12:28, 5].all()


def test_errors_by_kind():
    found = class_map((1, 0, 10, 0, 20), (2, 10, 20, 0, 10))
    truth = class_map((1, 0, 10, 10, 30), (1, 10, 20, 0, 10), (255, 30, 40, 0, 60))
    drawn = errors(GREY, found, truth, legend=False)
    for color, box, opacity in (
        (FALSE_ALARM, np.s_[0:10, 0:10], 0.75),
        (RIGHT, np.s_[0:10, 10:20], 0.4),
        (MISSED, np.s_[0:10, 20:30], 0.75),
        (CONFUSED, np.s_[10:20, 0:10], 0.75),
    ):
        there = where(drawn, mixed(color, opacity))
        assert there[box].all()
        assert there.sum() == 100
    debris = errors(GREY, found, truth, of="debris", legend=False)
    assert where(debris, mixed(FALSE_ALARM, 0.75)).sum() == 100
    assert (debris == 100).all(2).sum() == 40 * 60 - 100


def test_void_of_the_truth_is_no_error():
    truth = class_map((255, 0, 40, 0, 60))
    assert (errors(GREY, class_map((1, 0, 40, 0, 60)), truth, legend=False) == 100).all()


def test_errors_need_the_same_classes_and_sizes():
    other = Segmentation.from_class_map(torch.zeros(40, 60, dtype=torch.uint8), Classes(("a", "b")))
    with pytest.raises(
        ValueError, match="the prediction has the classes a, b, but the ground truth background, cell, debris"
    ):
        errors(GREY, other, class_map())
    with pytest.raises(ValueError, match="the image is 60x39, but the segmentation 60x40"):
        draw(GREY[1:], class_map())


def test_a_sheet_holds_every_image():
    images = [
        np.full(size, value, np.uint8) for size, value in (((40, 60, 3), 50), ((900, 300, 3), 90), ((8, 8, 3), 130))
    ]
    drawn = sheet(images, 2, captions=["one", "two", "three"], side=100)
    for value, height, width in ((50, 67, 100), (90, 100, 33), (130, 100, 100)):
        assert where(drawn, (value,) * 3).sum() == height * width
    assert where(drawn, (50,) * 3).any(1).argmax() < where(drawn, (130,) * 3).any(1).argmax() - 100
    assert drawn.shape[1] == 8 + 100 + 8 + 33 + 8, "no blank space beside the narrow image"
    with pytest.raises(ValueError, match="at least one"):
        sheet([])
    with pytest.raises(ValueError, match="1 captions for 3 images"):
        sheet(images, captions=["one"])


def colorblind(color: tuple[int, int, int], kind: str) -> np.ndarray:
    """CIELAB of a colour as seen without red or green cones (Viénot, Brettel, Mollon 1999, in linear RGB)."""
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    lms = to_lms @ ((np.array(color) / 255) ** 2.2)
    if kind == "protan":
        lms[0] = 2.02344 * lms[1] - 2.52581 * lms[2]
    elif kind == "deutan":
        lms[1] = 0.494207 * lms[0] + 1.24827 * lms[2]
    rgb = np.clip(np.linalg.inv(to_lms) @ lms, 0, 1) ** (1 / 2.2)
    return cv2.cvtColor(rgb.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2LAB).ravel()


@pytest.mark.parametrize("kind", ["normal", "protan", "deutan"])
@pytest.mark.parametrize(
    "colors", [(RIGHT, FALSE_ALARM, MISSED, CONFUSED), (PREDICTED, TRUTH, AGREED)], ids=["errors", "boundaries"]
)
def test_color_blind_people_can_tell_the_colors_apart(colors, kind):
    seen = [colorblind(color, kind) for color in colors]
    for n, one in enumerate(seen):
        for other in seen[:n]:
            assert np.linalg.norm(one - other) > 20


def test_the_legend_counts_objects_only_where_they_are_told_apart():
    assert _entries(class_map((1, 0, 9, 0, 9))) == [(CELLS.colors[1], "cell")]
    ids = torch.ones(40, 60, dtype=torch.int32)
    ids[:, 20:40], ids[:, 40:] = 2, 3
    panoptic = Segmentation(CELLS, torch.tensor([1, 1, 2]), ids=ids)
    assert _entries(panoptic) == [(CELLS.colors[1], "cell (2)"), (CELLS.colors[2], "debris")]


def test_of_a_panoptic_result_things_have_outlines_and_void_is_hatched():
    classes = Classes(("sky", "car"), ((0, 0, 200), (200, 0, 0)), (False, True))
    ids = torch.ones(60, 80, dtype=torch.int32)
    ids[20:40, 10:30], ids[50:] = 2, 0
    result = Segmentation(classes, torch.tensor([0, 1]), ids=ids)
    grey = np.full((60, 80, 3), 100, np.uint8)
    drawn = draw(grey, result, legend=False, opacity=0.5)
    sky, car = drawn[ids.numpy() == 1], drawn[ids.numpy() == 2]
    assert (sky == (50, 50, 150)).all(), "stuff is flat to its border"
    assert {tuple(color) for color in car.tolist()} >= {(200, 0, 0), (150, 50, 50)}
    void = drawn[ids.numpy() == 0]
    assert {tuple(color) for color in void.tolist()} == {(100,) * 3, (178,) * 3, (50,) * 3}
    assert 0.5 < (void == 100).mean() < 0.9
    semantic = Segmentation(Classes(("sky", "car")), torch.tensor([0, 1]), ids=ids)
    assert (draw(grey, semantic, legend=False)[50:] == 100).all(), "of a semantic result void stays as it is"
