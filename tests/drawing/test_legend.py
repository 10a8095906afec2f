from __future__ import annotations

import numpy as np
import pytest

from pixelwise.drawing.legend import Label, _lettered, add_caption, add_labels, add_legend, stack, text_size

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (1, 5000), (300, 400), (2000, 3000)])
def test_the_image_stays_and_every_color_is_in_the_legend(size):
    image = np.full((*size, 3), 77, np.uint8)
    legend = add_legend(image, [(RED, "a cell"), (BLUE, "something with a longer name")])
    assert (legend[: size[0], : size[1]] == 77).all()
    below = legend[size[0] :]
    for color in (RED, BLUE):
        assert (below == color).all(2).sum() > 80
    assert (below == 32).all(2).any(), "no letters"
    assert (below[:, -1] == 255).all(), "the last entry runs over the edge"


def test_entries_that_do_not_fit_go_to_the_next_line():
    image = np.zeros((100, 200, 3), np.uint8)
    one, many = (add_legend(image, [(RED, f"class {k}") for k in range(number)]) for number in (1, 12))
    assert one.shape[1] == many.shape[1] == 200
    assert many.shape[0] - 100 > 3 * (one.shape[0] - 100)


def test_no_entries_no_legend():
    image = np.zeros((3, 4, 3), np.uint8)
    assert add_legend(image, []) is image


def test_letters_grow_with_the_image_and_are_never_too_small():
    assert text_size(10, 10) == 12
    assert text_size(2000, 3000) > 3 * text_size(300, 400)
    assert text_size(60000, 60000) == 64


def test_a_long_caption_is_cut():
    image = np.zeros((50, 200, 3), np.uint8)
    captioned = add_caption(image, "a name " * 40)
    assert captioned.shape[1] == 200
    assert (captioned[-50:] == 0).all()
    assert (captioned[:-50, -2:] == 255).all()


def test_names_beyond_ascii_are_drawn():
    font, (text,) = _lettered(["Gebäude"], 12)
    assert text in ("Gebäude", "Gebaude")
    assert font.getlength(text) > 30


def test_stacking_fills_with_white():
    stacked = stack(np.zeros((2, 3, 3), np.uint8), np.zeros((1, 5, 3), np.uint8))
    assert stacked.shape == (3, 5, 3)
    assert (stacked[:2, 3:] == 255).all()


def boxes_of(labels: list[Label], size: tuple[int, int] = (200, 300)) -> list[tuple[int, int, int, int]]:
    """Where the ground of each label that is drawn lies, x1 y1 x2 y2."""
    drawn = add_labels(np.zeros((*size, 3), np.uint8), labels)
    found = []
    for label in labels:
        rows, columns = (drawn == label.color).all(2).nonzero()
        if len(rows):
            found.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    return found


def test_labels_stand_at_their_objects_inside_the_image_and_apart():
    """Four objects in one place, two in corners; the last one finds no room."""
    boxes = [(100, 60, 180, 120)] * 5 + [(0, 0, 90, 40), (220, 170, 300, 200)]
    labels = [Label(box, (box[0], box[0]), (f"cell {n}",), (50 + n, 100, 150)) for n, box in enumerate(boxes)]
    found = boxes_of(labels)
    assert len(found) == 6
    for n, (x1, y1, x2, y2) in enumerate(found):
        assert 0 <= x1 < x2 <= 300 and 0 <= y1 < y2 <= 200
        for a, b, c, d in found[:n]:
            assert x2 <= a or c <= x1 or y2 <= b or d <= y1


def test_small_objects_have_shorter_labels_or_none():
    sides = (60, 30, 10)
    labels = [
        Label((100 * n, 100, 100 * n + s, 100 + s), (100 * n, 100 * n), ("nucleus 0.93", "0.93"), (50 + n, 100, 150))
        for n, s in enumerate(sides)
    ]
    found = boxes_of(labels)
    assert len(found) == 2
    assert found[0][2] - found[0][0] > 2 * (found[1][2] - found[1][0]) > 30
    assert boxes_of([], (4, 4)) == []
    assert boxes_of([Label((0, 0, 2, 5000), (0, 0), ("cell",), (50, 60, 70))], (5000, 2)) == []
