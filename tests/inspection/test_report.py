from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pixelwise import Classes, Segmentation
from pixelwise.data.dataset import Dataset, Record
from pixelwise.data.formats import coco_panoptic
from pixelwise.data.opening import open_dataset
from pixelwise.inspection.report import Inspection, inspect

READING = {"classes": "background,blob,ring", "void": 255}


def scene(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def blobs(height: int = 90, width: int = 120, specks: int = 0, ring: bool = True) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (40, 40), 20, 1, -1)
    if ring:
        cv2.circle(mask, (90, 40), 20, 2, 5)
    mask[70 : 70 + 2 * specks : 2, 100] = 1
    return mask


def save(folder: Path, split: str, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for kind, pixels in (("images", image), ("masks", mask)):
        suffix = Path(name).suffix if kind == "images" else ".png"
        path = folder / kind / split / f"{Path(name).stem}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels)


@pytest.fixture
def good(tmp_path) -> Path:
    for k in range(5):
        save(tmp_path / "data", "train" if k < 3 else "val", f"p{k}.png", scene(k), blobs())
    return tmp_path / "data"


def kinds(inspection: Inspection) -> dict[str, str]:
    return {finding.kind: finding.level for finding in inspection.findings if finding.kind != "reading"}


def only(inspection: Inspection, kind: str):
    (finding,) = (finding for finding in inspection.findings if finding.kind == kind)
    return finding


def test_good_data(good, tmp_path):
    inspection = inspect(good, tmp_path / "out", reading=READING, imgsz=64)
    assert kinds(inspection) == {}
    assert inspection.errors == ()
    assert inspection.images == {"train": 3, "val": 2}
    background, blob, ring = inspection.classes
    blob_area, ring_area = int((blobs() == 1).sum()), int((blobs() == 2).sum())
    assert blob == {
        "class": "blob",
        "pixels": pytest.approx(blob_area / (90 * 120)),
        "images": 5,
        "objects": 5,
        "median area": blob_area,
    }
    assert (ring["median area"], background["objects"]) == (ring_area, 0)
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("<img") == 3 + 3 * 3
    assert "p0, view 3" in page
    assert json.loads(json.dumps(inspection.to_dict()))["images"] == {"train": 3, "val": 2}
    assert "see " in inspection.table()
    assert "blob" in inspection.table()


def test_broken_files_are_reported_one_by_one(good, tmp_path):
    data = {split: open_dataset(good, split=split, **READING) for split in ("train", "val")}
    whole = (good / "images/train/p0.png").read_bytes()
    (good / "images/train/p0.png").write_bytes(whole[: len(whole) // 2])
    (good / "masks/train/p1.png").write_bytes(b"no image at all")
    cv2.imwrite(str(good / "masks/val/p3.png"), blobs(80, 120))
    expected = {"image": "p0", "mask": "p1", "size": "p3"}
    by_folder = inspect(good, tmp_path / "out", reading=READING, imgsz=64)
    assert {finding.kind: Path(finding.images[0]).name for finding in by_folder.errors} == expected
    assert "before this is mended" in by_folder.page.read_text()
    assert "p1.png" in by_folder.table()
    train, val = (inspect(part, tmp_path / "out", imgsz=64) for part in data.values())
    errors = (*train.errors, *val.errors)
    assert {finding.kind: Path(finding.images[0]).name for finding in errors} == expected
    for finding, file in zip(errors, ("p0.png", "p1.png", "p3.png"), strict=True):
        assert file in finding.text
    assert "120x90" in only(val, "size").text
    assert "120x80" in only(val, "size").text
    assert (train.classes[1]["images"], val.classes[1]["images"]) == (1, 1)


def test_missing_masks_and_wrong_sizes_are_reported_together(good, tmp_path):
    cv2.imwrite(str(good / "masks/val/p3.png"), blobs(80, 120))
    for name in ("train/p0", "val/p4"):
        (good / f"masks/{name}.png").unlink()
    inspection = inspect(good, tmp_path / "out", reading=READING, imgsz=64)
    assert [(one.kind, Path(one.images[0]).name) for one in inspection.errors] == [
        ("size", "p3"),
        ("missing", "p0"),
        ("missing", "p4"),
    ]
    assert inspection.images == {"train": 2, "val": 1}
    assert [row["images"] for row in inspection.classes] == [2, 2, 2]
    assert "p0.png has no mask: add one" in inspection.table()
    assert "p4.png has no mask" in inspection.page.read_text()


def test_why_data_cannot_be_opened_is_reported_beside_what_is_broken(good, tmp_path):
    for name in ("train/p0", "train/p1", "train/p2", "val/p4"):
        cv2.imwrite(str(good / f"masks/{name}.png"), blobs(ring=False) * 255)
    cv2.imwrite(str(good / "masks/val/p3.png"), blobs(80, 120, ring=False) * 255)
    inspection = inspect(good, tmp_path / "out", reading={"classes": "a,b,c"}, imgsz=64)
    assert [one.kind for one in inspection.errors] == ["reading", "size"]
    assert inspection.table().startswith("error: ")
    assert "3 names (a, b, c), but the masks hold 2 values (0 and 255)" in inspection.table()


def test_misspelt_synthetic_data(tmp_path):
    with pytest.raises(ValueError, match="write shapes:number=10$"):
        inspect("shapes:10", tmp_path / "out")


def test_one_image_is_one_image(tmp_path):
    save(tmp_path / "data", "train", "p0.png", scene(0), blobs())
    inspection = inspect(tmp_path / "data", tmp_path / "out", reading=READING, imgsz=100)
    assert inspection.table().startswith("train: 1 image\n")
    assert only(inspection, "small").text.startswith("1 image has a side shorter than")


def test_unknown_values_in_masks(good, tmp_path):
    data = open_dataset(good, split="val", **READING)
    mask = blobs()
    mask[5, 5] = 77
    cv2.imwrite(str(good / "masks/val/p4.png"), mask)
    finding = only(inspect(data, tmp_path / "out", imgsz=64), "mask")
    assert "77" in finding.text
    assert "p4" in finding.images[0]
    with pytest.raises(ValueError, match=r"p4\.png holds 77"):
        inspect(good, tmp_path / "out", reading=READING)


def test_many_broken_files_share_a_finding(tmp_path):
    for k in range(30):
        save(tmp_path / "data", "train", f"p{k}.png", scene(k), blobs())
        if k > 4:
            (tmp_path / "data/images/train" / f"p{k}.png").write_bytes(b"x")
    inspection = inspect(tmp_path / "data", tmp_path / "out", split="train", reading=READING, imgsz=64)
    assert len(inspection.errors) == 21
    assert "5 more cannot be read" in only(inspection, "unreadable").text
    assert len(only(inspection, "unreadable").images) == 5


def test_the_same_image_twice(good, tmp_path):
    save(good, "val", "copy.bmp", scene(0), blobs(ring=False))
    save(good, "train", "again.png", scene(1), blobs())
    rng = np.random.default_rng(0)
    brighter = (scene(2) * 0.8 + 30 + rng.normal(0, 3, (90, 120, 3))).clip(0, 255).astype(np.uint8)
    save(good, "val", "brighter.jpg", brighter, blobs())
    inspection = inspect(good, tmp_path / "out", reading=READING, imgsz=64)
    assert {finding.kind for finding in inspection.findings} == {"duplicate", "alike", "reading"}
    across, within = (finding for finding in inspection.findings if finding.kind == "duplicate")
    assert (across.level, within.level) == ("error", "warning")
    assert "different masks" in across.text
    assert "p0 (train)" in across.text
    assert "copy (val)" in across.text
    assert "different masks" not in within.text
    assert {name.rpartition("/")[2].split(": ")[-1] for name in within.images} == {"p1", "again"}
    assert [name for name in only(inspection, "alike").images if "brighter" in name]
    assert "Alike in two splits" in inspection.page.read_text()


def test_images_without_objects_and_classes_that_are_missing(good, tmp_path):
    save(good, "val", "empty.png", scene(20), np.zeros((90, 120), np.uint8))
    save(good, "val", "void.png", scene(21), np.full((90, 120), 255, np.uint8))
    for name in ("p3", "p4"):
        cv2.imwrite(str(good / f"masks/val/{name}.png"), blobs(ring=False))
    inspection = inspect(good, tmp_path / "out", reading=READING, imgsz=64)
    assert kinds(inspection) == {"empty": "note", "void": "warning", "absent": "warning"}
    assert "empty" in only(inspection, "empty").images[0]
    assert "void" in only(inspection, "void").images[0]
    assert "no pixel in val is ring" in only(inspection, "absent").text


def test_classes_that_do_not_occur_share_a_line(good, tmp_path):
    reading = {**READING, "classes": f"{READING['classes']},{','.join(f'rare {k}' for k in range(7))}"}
    inspection = inspect(good, tmp_path / "out", reading=reading, imgsz=64)
    line = "classes that do not occur: rare 0, rare 1, rare 2, rare 3, rare 4, … (7 in all)"
    assert line in inspection.table().splitlines()
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert line in page
    for text in (inspection.table(), page):
        assert "rare 6" not in text
    assert len(inspection.classes) == 10


def test_tiny_objects_and_small_images(good, tmp_path):
    cv2.imwrite(str(good / "masks/val/p4.png"), blobs(specks=6))
    inspection = inspect(good, tmp_path / "out", reading=READING, imgsz=100)
    assert kinds(inspection) == {"tiny": "warning", "small": "note"}
    assert only(inspection, "tiny").text.startswith("6 of 16 objects (37.5%) have fewer than 16 pixels")
    assert "p4" in only(inspection, "tiny").images[0]


def test_countable_objects(nuclei_sample, tmp_path):
    inspection = inspect(nuclei_sample, tmp_path / "out", imgsz=128)
    assert inspection.errors == ()
    data = open_dataset(nuclei_sample, split="train")
    number = sum(len(data.truth(i)) - 1 for i in range(len(data)))
    data = open_dataset(nuclei_sample, split="val")
    number += sum(len(data.truth(i)) - 1 for i in range(len(data)))
    assert inspection.classes[1]["objects"] == number > 500


def test_a_class_of_specks_is_taken_for_void(good, tmp_path):
    for split, name in (("train", "p0"), ("train", "p1"), ("train", "p2"), ("val", "p3"), ("val", "p4")):
        mask = blobs(ring=False)
        mask[1::6, 70::6] = 2  # 15 rows of 9 single pixels
        cv2.imwrite(str(good / f"masks/{split}/{name}.png"), mask)
    inspection = inspect(good, tmp_path / "out", reading=READING, imgsz=64)
    assert only(inspection, "specks").text.startswith(
        "'ring' lies in specks, 135 an image, half of them of 1 pixels or fewer"
    )
    assert only(inspection, "specks").text.endswith("--void")
    declared = inspect(good, tmp_path / "out", reading={"classes": "background,blob", "void": (2, 255)}, imgsz=64)
    assert kinds(declared) == {}


@pytest.fixture
def panoptic(tmp_path) -> Path:
    """Three images of 120x90 as COCO panoptic: sky over road, and on them two cars."""
    truths = {}
    for k in range(3):
        (tmp_path / "raw").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "raw" / f"p{k}.png"), scene(k))
        ids = torch.ones(90, 120, dtype=torch.int32)
        ids[40:], ids[30:50, 10:30], ids[30:50, 60 : 80 + k] = 2, 3, 4
        truths[f"p{k}"] = Segmentation(
            Classes(("sky", "road", "car"), things=(False, False, True)), torch.tensor([0, 1, 2, 2]), ids=ids
        )
    records = tuple(Record(name, tmp_path / "raw" / f"{name}.png") for name in truths)
    classes = truths["p0"].classes
    data = Dataset(classes, records, "train", "shapes", (), lambda record: truths[record.name])
    coco_panoptic.write(data, tmp_path / "data")
    return tmp_path / "data"


def changed(folder: Path, change) -> Path:
    """The JSON after `change` was applied to the segments of each image in it."""
    file = folder / "annotations" / "panoptic_train.json"
    whole = json.loads(file.read_text())
    for k, annotation in enumerate(whole["annotations"]):
        change(k, annotation["segments_info"])
    file.write_text(json.dumps(whole))
    return folder


def test_good_panoptic_data(panoptic, tmp_path):
    inspection = inspect(panoptic, tmp_path / "out", imgsz=64)
    assert kinds(inspection) == {}
    assert {row["class"]: row["objects"] for row in inspection.classes} == {"sky": 0, "road": 0, "car": 6}


def test_panoptic_data_that_contradict_themselves(panoptic, tmp_path):
    def change(k, segments):
        if k == 0:
            segments.append(segments[2])
            segments.append({**segments[2], "id": 12345})
        if k == 1:
            segments.pop()
        segments[0]["area"] += 1
        segments[1]["bbox"] = [0, 0, 1, 1]

    inspection = inspect(changed(panoptic, change), tmp_path / "out", imgsz=64)
    levels = {"twice": "error", "unlisted": "error", "pixelless": "error", "area": "warning", "box": "note"}
    assert kinds(inspection) == levels
    assert "annotations/panoptic_train/p0.png more than once" in only(inspection, "twice").text
    assert only(inspection, "pixelless").images == ("train: train/p0",)
    assert (
        "annotations/panoptic_train/p1.png holds segments that the JSON does not list"
        in only(inspection, "unlisted").text
    )
    assert only(inspection, "area").text.endswith("So in 2 more images: train/p1, train/p2")
    assert len(only(inspection, "area").images) == 3
    assert "Error" in inspection.page.read_text()


def test_stuff_in_several_segments(panoptic, tmp_path):
    def change(k, segments):
        if k == 1:
            segments[2]["category_id"] = segments[0]["category_id"]

    inspection = inspect(changed(panoptic, change), tmp_path / "out", imgsz=64)
    assert kinds(inspection) == {"stuff": "error"}
    assert "p1.png: sky 2;" in only(inspection, "stuff").text


def test_a_map_that_is_gone_or_cut_short(panoptic, tmp_path):
    maps = panoptic / "annotations" / "panoptic_train"
    (maps / "p0.png").unlink()
    (maps / "p1.png").write_bytes((maps / "p1.png").read_bytes()[:60])
    inspection = inspect(panoptic, tmp_path / "out", imgsz=64)
    assert kinds(inspection) == {"missing": "error", "mask": "error"}
    assert "p1.png" in only(inspection, "mask").text


def test_objects_that_overlap(trial_data, tmp_path):
    data = open_dataset(trial_data("coco128"), split="val")
    inspection = inspect(replace(data, records=data.records[:6]), tmp_path / "out", imgsz=64)
    finding = only(inspection, "overlap")
    assert finding.level == "note"
    truths = [data.truth(i) for i in range(6)]
    overlapping = [bool((truth.masks.dense()[~truth.crowd].sum(0) > 1).any()) for truth in truths]
    assert len(finding.images) == sum(overlapping) > 0


def test_objects_that_others_cover_are_there(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    classes = Classes(("background", "bowl", "broccoli", "spoon"), things=(False, True, True, True), background=0)
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    masks[0, 10:50, 10:50] = masks[1, 20:30, 20:30] = True
    truth = Segmentation(classes, torch.tensor([1, 2]), masks=masks)
    assert truth.class_map().unique().tolist() == [0, 1]
    data = Dataset(classes, (Record("a", tmp_path / "a.png"),), "train", "made", (), lambda record: truth)
    inspection = inspect(data, tmp_path / "out", imgsz=64)
    assert [row["images"] for row in inspection.classes] == [1, 1, 1, 0]
    assert "is spoon:" in only(inspection, "absent").text
