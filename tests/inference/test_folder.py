from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pixelwise.classes import Classes
from pixelwise.data.opening import open_dataset
from pixelwise.inference.folder import predict_files
from pixelwise.inference.predictor import Predictor
from pixelwise.inference.sources import find_images
from pixelwise.models.base import InstanceModel, SemanticModel, SemanticOutputs
from pixelwise.segmentation import Segmentation
from pixelwise.writers.formats import WRITERS
from pixelwise.writers.saving import save

CELLS = Classes(("background", "cell"), background=0, things=(False, True))
STREET = Classes(("road", "car", "sky"), things=(False, True, False))


class Cells(InstanceModel):
    """Each bright region is a cell, the surer the larger it is; two of them on top of each other where it is large."""

    def __init__(self) -> None:
        super().__init__(2)
        self.classes = CELLS

    def forward(self, images: Tensor) -> Tensor:
        grey = images.mean(1)
        return grey > (grey.min() + grey.max()) / 2

    def decode(self, outputs: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        height, width = sizes[0]
        number, regions = cv2.connectedComponents(outputs[0, :height, :width].numpy().astype(np.uint8))
        masks = torch.from_numpy(regions) == torch.arange(1, number)[:, None, None]
        scores = 0.2 + masks.flatten(1).sum(1) / 200
        order = scores.argsort(descending=True)
        return [Segmentation(CELLS, torch.ones(len(masks), dtype=torch.int64), scores[order], masks=masks[order])]

    def loss(self, outputs, truths):
        raise NotImplementedError("it is only used for prediction")


class Threshold(SemanticModel):
    """Bright pixels are cells."""

    def __init__(self) -> None:
        super().__init__(2)
        self.classes = CELLS

    def forward(self, images: Tensor) -> SemanticOutputs:
        bright = 50 * (images.mean(1, keepdim=True) - 0.5)
        return SemanticOutputs(torch.cat([-bright, bright], 1))


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


def test_class_maps_are_read_back_equal(tmp_path):
    paths = [image(tmp_path / "images" / "train" / f"{n}.png", (20, 30 + n)) for n in range(3)]
    predict_files(Threshold(), paths, tmp_path / "found", formats=("class-map",))
    (tmp_path / "masks").mkdir()
    (tmp_path / "found" / "class-map").rename(tmp_path / "masks" / "train")
    data = open_dataset(tmp_path, split="train", classes="background,cell")
    assert data.format == "mask-folder"
    for i in range(3):
        assert int(data.truth(i).class_map().sum()) == 10 * ((30 + i) // 3)


def test_objects_of_real_images_in_every_format(nuclei_sample, tmp_path):
    sources = sorted((nuclei_sample / "images").glob("*"))[:3]
    done = predict_files(Cells(), sources, tmp_path, formats=tuple(WRITERS))
    assert len(done.done) == 3
    truths = {path.name: Predictor(Cells())(path) for path in sources}
    number = sum(map(len, truths.values()))
    assert number > 10
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == number
    for name, truth in truths.items():
        of_it = [row for row in rows if row["image"] == name]
        assert [int(row["area"]) for row in of_it] == truth.areas().tolist()
        boxes = [[float(row[key]) for key in ("x1", "y1", "x2", "y2")] for row in of_it]
        assert boxes == truth.boxes().tolist()
        for row, mask in zip(of_it, truth.masks, strict=True):
            y, x = mask.nonzero().double().mean(0) + 0.5
            assert [float(row["x"]), float(row["y"])] == pytest.approx([float(x), float(y)], abs=0.006)
            assert float(row["score"]) == pytest.approx(float(truth.scores[int(row["object"]) - 1]), abs=1e-4)
        with Image.open(tmp_path / "label-map" / f"{name[:-4]}.png") as image:
            numbers = torch.from_numpy(np.array(image).astype(np.int32))
        assert torch.equal(numbers, truth.panoptic_map())
    assert len(json.loads((tmp_path / "coco.json").read_text())["annotations"]) == number


def test_what_formats_cannot_hold_is_told_once(tmp_path):
    class Odd(Cells):
        """Finds a ring, a dot of one pixel and a part of the ring once more."""

        def decode(self, outputs, sizes):
            masks = torch.zeros(3, *sizes[0], dtype=torch.bool)
            masks[0, 2:8, 2:8], masks[1, 1, 12] = True, True
            masks[0, 4:6, 4:6], masks[2, 2:4, 2:4] = False, True
            return [Segmentation(CELLS, torch.ones(3, dtype=torch.int64), torch.ones(3), masks=masks)]

    for name in ("a", "b"):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{name}.png")
    done = predict_files(Odd(), tmp_path, tmp_path / "out", formats=["yolo", "label-map"])
    joined, covered = done.notes
    texts = tmp_path / "out" / "yolo" / "labels"
    assert covered == "2 objects have no pixel in the label map, as others lie on top; the first in a.png"
    assert joined.startswith("2 objects of several parts, or with holes, are one polygon")
    assert f"note: {joined}" in done.summary().splitlines()
    assert [len((texts / f"{name}.txt").read_text().splitlines()) for name in ("a", "b")] == [3, 3]


def test_what_was_found_is_read_as_a_data_set(nuclei_sample, tmp_path):
    sources = sorted((nuclei_sample / "images").glob("*"))[:2]
    predict_files(Cells(), sources, tmp_path, formats=("yolo", "coco"))
    for folder in (tmp_path / "yolo", tmp_path):
        (folder / "images").mkdir()
        for path in sources:
            shutil.copy(path, folder / "images")
    shutil.move(tmp_path / "yolo", tmp_path.parent / "yolo")
    for data in (
        open_dataset(tmp_path.parent / "yolo", split=None, format="yolo"),
        open_dataset(tmp_path, split=None, format="coco"),
    ):
        for i, path in enumerate(sources):
            assert data.truth(i).masks == Predictor(Cells())(path).masks
            assert data.classes.names == CELLS.names


def test_what_is_written_when_nobody_says_depends_on_the_task(tmp_path):
    source = image(tmp_path / "a.png")
    predict_files(Cells(), source, tmp_path / "objects")
    assert {path.relative_to(tmp_path / "objects").as_posix() for path in (tmp_path / "objects").rglob("*.*")} == {
        "overlay/a.jpg",
        "table.csv",
        "class_totals.csv",
    }
    predict_files(Threshold(), source, tmp_path / "classes")
    assert {path.name for path in (tmp_path / "classes").iterdir()} == {"overlay", "class-map"}


def test_a_score_decides_what_is_written(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:8, :8], pixels[12:14, 12:14] = 255, 255  # 64 pixels: 0.52; 4 pixels: 0.22
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for n, (model, number) in enumerate(((Cells(), 1), (Predictor(Cells(), score_threshold=0.1), 2))):
        predict_files(model, tmp_path / "a.png", tmp_path / f"{n}", formats=("table",))
        assert len((tmp_path / f"{n}" / "table.csv").read_text().splitlines()) == 1 + number


def test_a_folder_of_real_images(nuclei_sample, tmp_path, capsys):
    sources = sorted((nuclei_sample / "images").glob("*"))[:3]
    done = predict_files(Threshold(), sources, tmp_path, formats=("overlay", "class-map", "label-map", "coco"))
    assert len(done.done) == 3
    assert not done.failed
    for folder, suffixes in {"overlay": {".jpg"}, "class-map": {".png"}, "label-map": {".png", ".json"}}.items():
        written = sorted((tmp_path / folder).iterdir())
        assert sorted({path.stem for path in written}) == [path.stem for path in sources]
        assert {path.suffix for path in written} == suffixes
    found = json.loads((tmp_path / "coco.json").read_text())
    assert [image["file_name"] for image in found["images"]] == [path.name for path in sources]
    assert {item["category_id"] for item in found["annotations"]} <= {1}
    assert "3 of 3 images done" in done.summary()


def test_a_bad_image_is_reported_and_skipped(tmp_path, capsys):
    good, bad = image(tmp_path / "in" / "a.png"), image(tmp_path / "in" / "b.png")
    bad.write_bytes(bad.read_bytes()[:60])
    (tmp_path / "in" / "c.jpg").write_text("no image")
    last = image(tmp_path / "in" / "d.png")
    done = predict_files(Threshold(), tmp_path / "in", tmp_path / "out")
    assert done.done == (good, last)
    assert [path.name for path, _ in done.failed] == ["b.png", "c.jpg"]
    assert "c.jpg is no image" in done.summary()
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped")]
    assert [line.count(f"{path}") for line, path in zip(told, (bad, bad.with_name("c.jpg")), strict=True)] == [1, 1]
    assert done.summary().count(f"{bad}") == 1
    assert sorted(path.name for path in (tmp_path / "out" / "class-map").iterdir()) == ["a.png", "d.png"]


def test_two_sources_that_would_write_the_same_file(tmp_path):
    first, second = image(tmp_path / "x" / "a.png"), image(tmp_path / "y" / "a.jpg")
    with pytest.raises(ValueError, match="would both be written as 'a'"):
        predict_files(Threshold(), [first, second], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert list(find_images([tmp_path], tmp_path / "out")[0]) == ["x/a", "y/a"]


def test_masks_beside_images_are_left_out_of_folders(tmp_path):
    names = ("a.jpg", "a.png", "x/b.tif", "x/b.png", "c.png", "c_mask.png", "d_mask.png", "out/e.jpg", "out/e.png")
    for name in names:
        image(tmp_path / "in" / name)
    done = predict_files(Threshold(), tmp_path / "in", tmp_path / "in" / "out", formats=("class-map",))
    inside = [path.relative_to(tmp_path / "in").as_posix() for path in done.done]
    assert inside == ["a.jpg", "c.png", "d_mask.png", "x/b.tif"]
    assert "\n3 masks beside images left out, such as " in done.summary()
    alone = find_images([tmp_path / "in" / "a.png", tmp_path / "in" / "c_mask.png"], tmp_path / "out")
    assert list(alone[0]) == ["a", "c_mask"]
    with pytest.raises(ValueError, match=r"name one kind only, '.*in/\*\.jpg', or"):
        find_images([f"{tmp_path}/in/a.*"], tmp_path / "out")


def test_a_folder_that_cannot_be_written(tmp_path):
    source = image(tmp_path / "a.png")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="cannot write into the folder .*file"):
        predict_files(Threshold(), source, tmp_path / "file")
    with pytest.raises(OSError, match="cannot write .*file"):
        save(panoptic(), tmp_path / "file" / "a.png")


def test_formats_that_there_are_not(tmp_path):
    with pytest.raises(ValueError, match="'clas-map'.*did you mean 'class-map'"):
        save(panoptic(), tmp_path / "a.png", "clas-map")
    with pytest.raises(ValueError, match="the suffix does not tell"):
        save(panoptic(), tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="not as '.xyz'"):
        save(panoptic(), tmp_path / "a.xyz", "class-map")
    with pytest.raises(ValueError, match="an overlay needs the image"):
        save(panoptic(), tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="no format was given"):
        predict_files(Threshold(), image(tmp_path / "a.png"), tmp_path / "out", formats=())


def test_coco_panoptic_of_many_images(tmp_path):
    for name in ("a", "b/c"):
        image(tmp_path / "new" / "images" / f"{name}.png")
    out = tmp_path / "out"
    done = predict_files(Threshold(), tmp_path / "new" / "images", out, formats=["coco-panoptic"], progress=False)
    assert len(done.done) == 2
    shutil.copytree(tmp_path / "new" / "images", out / "images")
    data = open_dataset(out / "coco-panoptic.json", split=None)
    assert data.classes == CELLS
    assert [record.name for record in data.records] == ["images/a", "images/b/c"]
    for i in range(2):
        found = Threshold().decode(Threshold()(data.image(i)[None].float() / 255), [(20, 30)])[0]
        assert torch.equal(data.truth(i).class_map(), found.class_map())
        assert data.faults(data.records[i]) == ()
