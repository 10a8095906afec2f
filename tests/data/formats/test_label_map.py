from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise import Classes, Segmentation
from pixelwise.data.dataset import Dataset, Record
from pixelwise.data.formats import label_map


def test_the_bundled_nuclei(nuclei_sample):
    data = label_map.read(nuclei_sample, "train", classes="nucleus")
    assert data.classes == Classes(("background", "nucleus"), things=(False, True), background=0)
    assert label_map.available(nuclei_sample) == ("train", "val")
    for i in (0, 17, 39):
        sample = data[i]
        raw = np.asarray(Image.open(data.records[i].mask))
        assert sample.truth.labels.tolist() == [0] + [1] * (len(np.unique(raw)) - 1)
        assert (sample.truth.mask(0).numpy() == (raw == 0)).all()
        for n, number in enumerate(np.unique(raw)):
            assert int(sample.truth.areas()[n]) == (raw == number).sum()


def test_round_trip_of_the_bundled_nuclei(nuclei_sample, tmp_path, same):
    for split in ("train", "val"):
        data = label_map.read(nuclei_sample, split)
        data = replace(data, records=data.records[:5])
        label_map.write(data, tmp_path)
        same(label_map.read(tmp_path, split), data)
    assert label_map.available(tmp_path) == ("train", "val")
    assert not list(tmp_path.glob("masks/*.json"))


def test_round_trip_of_several_classes(shapes, tmp_path, same):
    data = shapes(tmp_path, "ids")
    label_map.write(data, tmp_path / "out")
    assert any((data.truth(i).ids == 0).any() for i in range(3)), "the crowd should be void"
    same(label_map.read(tmp_path / "out", "train"), data)


def test_masks_that_overlap(shapes, tmp_path):
    whole = shapes(tmp_path, "masks")
    label_map.write(whole, tmp_path / "out")
    found = label_map.read(tmp_path / "out", "train")
    for i in range(3):
        assert found.truth(i) == label_map.without_overlap(whole.truth(i))


def test_without_overlap():
    classes = Classes(("bg", "a"), background=0)
    masks = torch.tensor([[[1, 1, 0, 0, 0]], [[0, 1, 1, 0, 0]], [[0, 0, 0, 1, 0]]]).bool()
    scores, crowd = torch.tensor([0.5, 0.9, 1.0]), torch.tensor([False, False, True])
    found = label_map.without_overlap(Segmentation(classes, torch.tensor([1, 1, 1]), scores, masks=masks, crowd=crowd))
    assert found.ids.tolist() == [[2, 3, 3, 0, 1]]
    assert found.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_numbers_need_not_follow_each_other(tmp_path, save, photo, ending):
    save("images/a.png", photo[:2, :3])
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / f"a.{ending}"), np.array([[0, 60000, 7], [7, 7, 300]], np.uint16))
    data = label_map.read(tmp_path, None)
    assert data.truth(0).ids.tolist() == [[1, 4, 2], [2, 2, 3]]
    assert data.truth(0).labels.tolist() == [0, 1, 1, 1]
    assert label_map.read(tmp_path, None, void=7).truth(0).ids.tolist() == [[1, 3, 0], [0, 0, 2]]


def test_32_bit_numbers(tmp_path, save, photo):
    save("images/a.png", photo[:1, :3])
    save("masks/a.tif", np.array([[0, 2_000_000_000, 5]], np.int32))
    assert label_map.read(tmp_path, None).truth(0).ids.tolist() == [[1, 3, 2]]


def test_images_without_objects_or_without_background(tmp_path, save, photo):
    for name, value in (("empty", 0), ("full", 9)):
        save(f"images/{name}.png", photo)
        save(f"masks/{name}.png", np.full((12, 16), value, np.uint16))
    data = label_map.read(tmp_path, None)
    assert [data[i].truth.labels.tolist() for i in (0, 1)] == [[0], [1]]


def test_what_is_no_label_map(tmp_path, save, photo):
    save("images/a.png", photo)
    mask = save("masks/a.png", photo)
    with pytest.raises(ValueError, match=rf"{mask} is in colours"):
        label_map.read(tmp_path, None).truth(0)
    save("masks/a.png", photo[..., 0])
    with pytest.raises(ValueError, match=r"it takes a\.json, which names the class"):
        label_map.read(tmp_path, None, classes="a,b,c").truth(0)
    (tmp_path / "masks" / "a.json").write_text('{"1": "zebra"}')
    with pytest.raises(ValueError, match=r"a\.json should name the class of each number"):
        label_map.read(tmp_path, None, classes="a,b,c").truth(0)
    with pytest.raises(ValueError, match="no colours"):
        label_map.read(tmp_path, None, colors="a=1,2,3")


def test_detection(tmp_path, save, photo, nuclei_sample):
    assert label_map.detect(nuclei_sample) == "images and masks in folders: images + masks; 16-bit masks"
    save("images/a.png", photo)
    save("masks/a.png", photo[..., 0])
    assert label_map.detect(tmp_path) is None


def panoptic_truth():
    classes = Classes(("sky", "car", "road"), things=(False, True, False))
    ids = torch.tensor([[1, 1, 2, 2], [3, 3, 4, 0], [5, 5, 5, 0]], dtype=torch.int32)
    crowd = torch.tensor([False, False, False, True, False])
    return Segmentation(classes, torch.tensor([0, 1, 1, 1, 2]), ids=ids, crowd=crowd)


def test_round_trip_of_panoptic_truth(tmp_path, photo, save, same):
    truth = panoptic_truth()
    record = Record("a", save("a.png", photo[:3, :4]))
    data = Dataset(truth.classes, (record,), "val", "shapes", (), lambda record: truth)
    label_map.write(data, tmp_path / "out")
    again = label_map.read(tmp_path / "out", "val")
    same(again, data)
    assert "0 is read as void, the others as 'sky' or 'car' or 'road' (classes.json)" in again.notes[1]
    named = json.loads((tmp_path / "out" / "masks" / "a.json").read_text())
    assert named == {"1": "sky", "2": "car", "3": "car", "4": "car", "5": "road", "crowd": [4]}


def test_panoptic_truth_that_people_wrote(tmp_path, photo, save):
    save("images/a.png", photo[:1, :4])
    save("masks/a.png", np.array([[0, 7, 9, 12]], np.uint16))
    (tmp_path / "masks" / "a.json").write_text('{"7": "car", "9": "sky", "12": "car"}')
    classes = {"names": ["sky", "car"], "colors": [[1, 2, 3], [4, 5, 6]], "things": [False, True], "background": None}
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    data = label_map.read(tmp_path, None)
    assert data.classes == Classes(("sky", "car"), ((1, 2, 3), (4, 5, 6)), (False, True))
    assert data.truth(0).ids.tolist() == [[0, 1, 2, 3]]
    assert data.truth(0).labels.tolist() == [1, 0, 1]
    (tmp_path / "masks" / "a.json").write_text('["car"]')
    with pytest.raises(ValueError, match=r"a\.json should name the class of each number of a\.png"):
        data.truth(0)


def test_crowds_of_one_class(tmp_path, photo, save, same):
    classes = Classes(("background", "cell"), things=(False, True), background=0)
    ids = torch.tensor([[1, 2, 3]], dtype=torch.int32)
    truth = Segmentation(classes, torch.tensor([0, 1, 1]), ids=ids, crowd=torch.tensor([False, False, True]))
    record = Record("a", save("a.png", photo[:1, :3]))
    data = Dataset(classes, (record,), None, "shapes", (), lambda record: truth)
    label_map.write(data, tmp_path / "out")
    same(label_map.read(tmp_path / "out", None), data)
