from __future__ import annotations

import json

import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.data.formats.annotations import Annotations
from pixelwise.segmentation import Segmentation


@pytest.mark.parametrize("background", [None, 0, 1])
def test_categories_count_from_one_and_leave_the_background_out(background, tmp_path):
    classes = Classes(("a", "b", "c"), background=background)
    annotations = Annotations(classes, scores=True)
    annotations.add("x.png", Segmentation.from_class_map(torch.arange(3).repeat(4, 1), classes))
    annotations.write(tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    names = {category["id"]: category["name"] for category in found["categories"]}
    assert 0 not in names
    assert list(names.values()) == [name for k, name in enumerate("abc") if k != background]
    assert [names[item["category_id"]] for item in found["annotations"]] == list(names.values())


def test_pycocotools_reads_what_is_written(tmp_path):
    from pycocotools import mask

    masks = torch.rand(2, 9, 7, generator=torch.Generator().manual_seed(0)) > 0.5
    classes = Classes(("background", "cell"), background=0)
    segments = Segmentation(classes, torch.tensor([1, 1]), torch.tensor([0.25, 0.5]), masks=masks)
    annotations = Annotations(classes, scores=True)
    annotations.add("x.png", segments)
    annotations.write(tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["images"] == [{"id": 1, "file_name": "x.png", "width": 7, "height": 9}]
    for n, item in enumerate(found["annotations"]):
        assert (mask.decode(item["segmentation"]) == masks[n].numpy()).all()
        assert item["bbox"] == mask.toBbox(item["segmentation"]).tolist()
        assert item["area"] == int(masks[n].sum())
        assert item["score"] == segments.scores[n]
