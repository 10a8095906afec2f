from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise import Classes, Segmentation
from pixelwise.data.formats.panoptic_annotations import PanopticAnnotations, flattened

STREET = Classes(("sky", "car"), ((0, 0, 0), (250, 250, 250)), (False, True))


def test_masks_become_flat():
    classes = Classes(("bg", "a"), things=(False, True), background=0)
    masks = torch.tensor(
        [
            [[1, 1, 1, 1, 0, 0]],
            [[0, 0, 1, 1, 0, 0]],
            [[0, 0, 0, 1, 1, 0]],
            [[1, 0, 0, 0, 0, 0]],
        ]
    ).bool()
    crowd = torch.tensor([False, False, False, True])
    whole = Segmentation(classes, torch.tensor([1, 1, 1, 1]), masks=masks, crowd=crowd)
    found = flattened(whole)
    assert found.ids.tolist() == [[1, 1, 2, 3, 3, 5]]
    assert found.labels.tolist() == [1, 1, 1, 1, 0]
    assert found.crowd.tolist() == [False, False, False, True, False]
    scored = Segmentation(classes, torch.tensor([1, 1, 1, 1]), torch.tensor([0.9, 0.3, 0.5, 0.1]), masks=masks)
    assert flattened(scored).ids.tolist() == [[1, 1, 1, 1, 3, 5]]
    without = Segmentation(Classes(("bg", "a")), torch.tensor([1, 1, 1, 1]), masks=masks, crowd=crowd)
    assert flattened(without).ids.tolist() == [[1, 1, 2, 3, 3, 0]]
    assert flattened(found) is found


def test_hundreds_of_objects_have_colours_of_their_own(tmp_path):
    ids = torch.arange(1, 1201, dtype=torch.int32).reshape(30, 40)
    labels = torch.ones(1200, dtype=torch.int64)
    labels[:1] = 0  # black is void, so that black classes need another colour
    annotations = PanopticAnnotations(STREET, tmp_path / "p", scores=False)
    annotations.add("a.png", Segmentation(STREET, labels, ids=ids))
    rgb = np.asarray(Image.open(tmp_path / "p" / "a.png")).astype(int)
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) == 1200
    assert rgb.sum(-1).min() > 0
    assert tuple(rgb[0, 1]) == (250, 250, 250)


def test_scores_empty_segments_and_names(tmp_path):
    ids = torch.tensor([[1, 1, 3, 0]], dtype=torch.int32)
    segments = Segmentation(STREET, torch.tensor([1, 1, 0]), torch.tensor([0.5, 0.25, 1]), ids=ids)
    annotations = PanopticAnnotations(STREET, tmp_path / "p", scores=True, info={"approximate": "very"})
    for name in ("0012.jpg", "12.jpg", "b/c.jpg"):
        annotations.add(name, segments)
    with pytest.raises(ValueError, match="two images would have the number 'b/c'"):
        annotations.add("b/c.png", segments)
    annotations.write(tmp_path / "p.json")
    written = json.loads((tmp_path / "p.json").read_text())
    assert [image["id"] for image in written["images"]] == [12, "12", "b/c"]
    assert [a["file_name"] for a in written["annotations"]] == ["0012.png", "12.png", "b/c.png"]
    assert (tmp_path / "p" / "b" / "c.png").is_file()
    car, sky = written["annotations"][0]["segments_info"]
    assert (car["score"], car["area"], car["bbox"], car["category_id"]) == (0.5, 2, [0, 0, 2, 1], 2)
    assert (sky["score"], sky["area"], sky["bbox"], sky["category_id"]) == (1.0, 1, [2, 0, 1, 1], 1)
    assert written["info"]["approximate"] == "very"
    assert [c["isthing"] for c in written["categories"]] == [0, 1]
