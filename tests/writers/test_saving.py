"""One result, or the checkpoint of a model, saved to a file."""

from __future__ import annotations

import csv
import json
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pixelwise.classes import Classes
from pixelwise.data.formats.panoptic_annotations import flattened
from pixelwise.data.opening import open_dataset
from pixelwise.masks import Masks
from pixelwise.segmentation import Segmentation
from pixelwise.writers.saving import save

CELLS = Classes(("background", "cell"), background=0, things=(False, True))
STREET = Classes(("road", "car", "sky"), things=(False, True, False))


def image(path: Path, size: tuple[int, int] = (20, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[: size[0] // 2, : size[1] // 3] = 255
    Image.fromarray(pixels).save(path)
    return path


def panoptic() -> Segmentation:
    ids = torch.ones(6, 8, dtype=torch.int32)
    ids[:2, :3], ids[3:, :3], ids[0, 7] = 2, 3, 0
    return Segmentation(STREET, torch.tensor([0, 1, 1]), torch.tensor([0.9, 0.8, 0.7]), ids=ids)


def instances() -> Segmentation:
    masks = torch.zeros(2, 6, 8, dtype=torch.bool)
    masks[0, :4, :4] = masks[1, 2:, 2:] = True
    return Segmentation(CELLS, torch.tensor([1, 1]), torch.tensor([0.9, 0.6]), masks=masks)


def test_a_class_map_is_a_palette_image_of_indices(tmp_path):
    result = panoptic()
    save(result, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as found:
        assert found.mode == "P"
        assert torch.equal(torch.from_numpy(np.array(found)), result.class_map())
        flat = found.getpalette()
    assert tuple(tuple(flat[3 * k : 3 * k + 3]) for k in range(3)) == STREET.colors


@pytest.mark.parametrize("result", [panoptic(), instances()], ids=["panoptic", "instances"])
def test_every_format_can_be_written(result, tmp_path):
    image(tmp_path / "a.png", (6, 8))
    save(result, tmp_path / "found.jpg", image=tmp_path / "a.png")
    save(result, tmp_path / "found.json")
    save(result, tmp_path / "numbers.png", "label-map")
    save(result, tmp_path / "classes.png", "class-map")
    save(result, tmp_path / "found.txt")
    save(result, tmp_path / "found.csv")
    written = {"found.jpg", "found.json", "numbers.png", "classes.png", "found.txt", "found.csv"}
    assert {path.name for path in tmp_path.iterdir()} >= written
    with Image.open(tmp_path / "numbers.png") as numbers:
        assert np.array(numbers).dtype == np.uint16
    with Image.open(tmp_path / "found.jpg") as drawn:
        assert drawn.width >= 8


def test_label_maps_are_read_back_equal(tmp_path):
    image(tmp_path / "images" / "a.png", (6, 8))
    result = panoptic()
    save(result, tmp_path / "masks" / "a.png", "label-map")
    data = open_dataset(tmp_path, split=None, format="label-map", classes=STREET, void=65535)
    truth = data.truth(0)
    assert torch.equal(truth.class_map(), result.class_map())
    assert len(truth) == 3


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (Segmentation.from_class_map(torch.tensor([[0, 1, 255]], dtype=torch.uint8), CELLS), {"1": "cell"}),
        (instances(), {"1": "cell", "2": "cell"}),
        (panoptic(), {"1": "road", "2": "car", "3": "car"}),
    ],
    ids=["semantic", "instances", "panoptic"],
)
def test_the_class_of_each_number_stands_beside_a_label_map(result, names, tmp_path):
    save(result, tmp_path / "a.png", "label-map")
    assert json.loads((tmp_path / "a.json").read_text()) == names
    with Image.open(tmp_path / "a.png") as numbers:
        assert {str(n) for n in np.unique(np.array(numbers))} - {"0", "65535"} == names.keys()


def test_coco_is_read_back_equal(tmp_path):
    source = image(tmp_path / "images" / "a.png", (6, 8))
    result = instances()
    save(result, tmp_path / "instances.json", "coco", image=source)
    record = json.loads((tmp_path / "instances.json").read_text())
    truth = open_dataset(tmp_path, split=None, format="coco").truth(0)
    assert truth.masks == result.masks
    assert truth.classes == CELLS
    assert [item["score"] for item in record["annotations"]] == pytest.approx([0.9, 0.6])


def test_a_table_has_a_row_for_each_object(tmp_path):
    save(instances(), tmp_path / "found.csv", image=tmp_path / "a.png")
    with (tmp_path / "found.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [list(row.values()) for row in rows] == [
        ["a.png", "1", "cell", "0.9", "16", "0", "0", "4", "4", "2.0", "2.0"],
        ["a.png", "2", "cell", "0.6", "24", "2", "2", "8", "6", "5.0", "4.0"],
    ]
    save(Segmentation.from_class_map(torch.tensor([[0, 1, 255]], dtype=torch.uint8), CELLS), tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text("utf-8").splitlines()[1:] == ["b,1,cell,1.0,1,1,0,2,1,1.5,0.5"]


def test_of_objects_that_overlap_the_label_map_shows_the_surest_and_where_none_is_0(tmp_path):
    save(instances(), tmp_path / "a.png", "label-map")
    with Image.open(tmp_path / "a.png") as image:
        numbers = np.array(image)
    expected = np.zeros((6, 8), np.uint16)
    expected[2:, 2:] = 2
    expected[:4, :4] = 1
    assert (numbers == expected).all()


def test_a_hidden_object_keeps_its_number_for_itself(tmp_path):
    masks = torch.zeros(3, 6, 8, dtype=torch.bool)
    masks[0, :4, :4] = masks[1, 1:3, 1:3] = masks[2, 5, 5] = True
    result = Segmentation(CELLS, torch.ones(3, dtype=torch.int64), torch.tensor([0.9, 0.8, 0.7]), masks=masks)
    with pytest.warns(UserWarning, match="1 object has no pixel in the label map"):
        save(result, tmp_path / "a.png", "label-map")
    save(result, tmp_path / "a.csv")
    assert json.loads((tmp_path / "a.json").read_text()) == {"1": "cell", "3": "cell"}
    assert [line.split(",")[1] for line in (tmp_path / "a.csv").read_text().splitlines()[1:]] == ["1", "2", "3"]


def test_too_many_for_a_format(tmp_path):
    many = Classes(tuple(f"class {k}" for k in range(300)))
    result = Segmentation(many, torch.tensor([299]), masks=torch.ones(1, 4, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="300 classes, and a class map holds 255 at most: write label-map"):
        save(result, tmp_path / "a.png")
    save(result, tmp_path / "a.png", "label-map")
    number = 70_000
    runs = torch.stack([torch.arange(number), *[torch.tensor(k).expand(number) for k in (0, 0, 1)]], 1).int()
    result = Segmentation(CELLS, torch.ones(number, dtype=torch.int64), masks=Masks((1, 1), number, runs))
    with pytest.raises(ValueError, match="70000 objects: a 16-bit label map holds 65534"):
        save(result, tmp_path / "b.png", "label-map")
    assert not (tmp_path / "b.png").exists()


def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path):
    """A limit on the size of files stands for the end of the disk: both fail in the middle of a write."""
    noise = torch.randint(0, 3, (300, 300), dtype=torch.uint8)
    result = Segmentation.from_class_map(noise, STREET)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name in ("a.png", "a.json"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            with pytest.raises(OSError, match=f"cannot write .*{name}"):
                save(result, tmp_path / name)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("result", [panoptic(), instances()], ids=["panoptic", "instances"])
def test_coco_panoptic_is_read_back_equal(result, tmp_path):
    image(tmp_path / "images" / "0017.png", (6, 8))
    save(result, tmp_path / "found.json", "coco-panoptic", image=tmp_path / "images" / "0017.png")
    assert json.loads((tmp_path / "found.json").read_text())["images"][0]["id"] == 17
    again = open_dataset(tmp_path, split=None, format="coco-panoptic").truth(0)
    assert again == flattened(result)


def test_a_model_is_saved_as_its_checkpoint(tmp_path):
    import pixelwise

    model = pixelwise.create("unet_padded", num_classes=2, width=2)
    save(model, tmp_path / "model.safetensors")
    assert pixelwise.load(tmp_path / "model.safetensors").architecture == "unet_padded"
    with pytest.raises(ValueError, match=r"mask\.png: the checkpoint of a model is a \.safetensors file"):
        save(model, tmp_path / "mask.png")
