from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pixelwise.classes import Classes
from pixelwise.data.dataset import Dataset
from pixelwise.data.opening import open_dataset
from pixelwise.evaluation.scoring import evaluate
from pixelwise.inference.predictor import Predictor
from pixelwise.models.base import SemanticModel, SemanticOutputs

NAMES = ("a", "b", "c", "d")
# The worked vector of the metrics card, in an image of its own, beside one that is all right.
TRUTH = [[0, 0, 1, 1], [2, 2, 0, 255]]
FOUND = [[0, 1, 1, 1], [2, 0, 0, 3]]


class Reading(SemanticModel):
    """Reads the class from the red of each pixel, in steps of ten."""

    def __init__(self, names: tuple[str, ...] = NAMES) -> None:
        super().__init__(len(names))
        self.classes = Classes(names)

    def forward(self, images: Tensor) -> SemanticOutputs:
        values = 10 * torch.arange(len(self.classes)).view(1, -1, 1, 1)
        return SemanticOutputs(-((255 * images[:, :1] - values) ** 2))


def write(folder: Path, name: str, found: list[list[int]], truth: list[list[int]]) -> Path:
    red = np.zeros((*np.shape(found), 3), np.uint8)
    red[..., 0] = 10 * np.array(found)
    for kind, values in (("images", red), ("masks", np.array(truth, np.uint8))):
        (folder / kind / "val").mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / kind / "val" / f"{name}.png")
    return folder / "images" / "val" / f"{name}.png"


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    write(tmp_path / "data", "worked", FOUND, TRUTH)
    write(tmp_path / "data", "right", TRUTH[:1], TRUTH[:1])
    return open_dataset(tmp_path / "data", split="val", classes=NAMES)


def test_the_worked_vector(data):
    alone = replace(data, records=tuple(record for record in data.records if "worked" in record.name))
    result = evaluate(Reading(), alone, progress=False)
    assert result.scores["pixel accuracy"] == pytest.approx(0.714286, abs=1e-6)
    assert result.scores["mean pixel accuracy"] == pytest.approx(0.722222, abs=1e-6)
    assert result.scores["mIoU"] == pytest.approx(0.555556, abs=1e-6)
    assert result.scores["frequency-weighted IoU"] == pytest.approx(0.547619, abs=1e-6)
    assert [row["IoU"] for row in result.per_class][:3] == pytest.approx([0.5, 2 / 3, 0.5])
    assert math.isnan(result.per_class[3]["IoU"])
    assert result.intervals == {}, "one image says nothing of the spread"
    assert result.to_dict()["notes"] == ["1 image: too few for an interval"]


def test_two_images_by_hand(data):
    result = evaluate(Reading(), data, progress=False)
    assert result.scores["pixel accuracy"] == pytest.approx(9 / 11)
    assert [row["IoU"] for row in result.per_class][:3] == pytest.approx([4 / 6, 4 / 5, 1 / 2])
    rows = {row["name"]: row["mIoU"] for row in result.per_image}
    assert sorted(rows.values()) == pytest.approx([5 / 9, 1])
    assert repr(result) == f"Evaluation(mIoU {result.scores['mIoU']:.4f}, 2 images, 0 failed)"
    low, high = result.intervals["pixel accuracy"]
    assert low == pytest.approx(5 / 7)
    assert high == 1


def test_a_image_that_cannot_be_read_never_improves_a_score(data):
    whole = evaluate(Reading(), data, progress=False)
    broken = next(record.image for record in data.records if "worked" in record.name)
    broken.write_bytes(broken.read_bytes()[:40])
    result = evaluate(Reading(), data, progress=False)
    assert result.scores["pixel accuracy"] == pytest.approx(4 / 11)
    for name in ("mIoU", "pixel accuracy", "image-wise mIoU"):
        assert result.scores[name] < whole.scores[name]
    ((name, reason),) = result.failures
    assert "worked" in name
    assert "worked" in reason
    assert "2 images, 1 failed; their ground truth counts as missed" in result.table()
    assert f"failed: {name}: {reason}" in result.table()
    assert result.to_dict()["failures"] == [{"name": name, "reason": reason}]
    assert len(result.worst()) == 1


def test_a_mask_that_cannot_be_read_is_a_failure_too(data):
    broken = next(record.mask for record in data.records if "worked" in record.name)
    broken.write_bytes(b"no image")
    result = evaluate(Reading(), data, progress=False)
    assert len(result.failures) == 1
    assert len(result.per_image) == 1


def test_when_nothing_can_be_scored(data):
    for record in data.records:
        record.image.unlink()
    with pytest.raises(ValueError, match="not one of 2 images could be scored"):
        evaluate(Reading(), data, progress=False)


def test_classes_in_another_order_are_matched_by_name(data):
    swapped = Reading(("b", "a", "c", "d"))
    scores = {row["class"]: row["IoU"] for row in evaluate(swapped, data, progress=False).per_class}
    # The model now calls a what it called b: it finds b where it found a.
    assert scores["a"] == pytest.approx(evaluate_swapped(data)["a"])
    assert scores["b"] == pytest.approx(evaluate_swapped(data)["b"])


def evaluate_swapped(data: Dataset) -> dict[str, float]:
    """Counted here: pixels found as 0 are b, as 1 are a."""
    truth = np.array([*TRUTH[0], *TRUTH[1], *TRUTH[0]])
    found = np.array([*FOUND[0], *FOUND[1], *TRUTH[0]])
    found, known = np.array([1, 0, 2, 3])[found], truth != 255
    both = {n: ((truth == k) & (found == k) & known).sum() for k, n in enumerate(NAMES)}
    either = {n: (((truth == k) | (found == k)) & known).sum() for k, n in enumerate(NAMES)}
    return {name: both[name] / either[name] for name in NAMES if either[name]}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            "ac",
            "2 classes, the data 4; only the model has none; only the data have b, d: of COCO.* --classes a,c$",
        ),
        ("abxy", "only the model has x, y; only the data have c, d: if masks mean the same .* --classes a,b,x,y$"),
        ("abcdefghijkl", r"has e, f, g, h, i, … \(8 in all\); .* have none: .* trained on these data: pixelwise train"),
    ],
)
def test_other_classes_are_refused_and_what_helps_is_said(data, names, message):
    with pytest.raises(ValueError, match=message):
        evaluate(Reading(tuple(names)), data, progress=False)


def test_a_model_without_names_takes_those_of_the_data(data):
    result = evaluate(Reading(Classes.numbered(4).names), data, progress=False)
    assert result.classes.names == NAMES
    assert [row["class"] for row in result.per_class] == list(NAMES)


def test_what_is_no_data_set(data, tmp_path):
    with pytest.raises(ValueError, match="no images"):
        evaluate(Reading(), replace(data, records=()), progress=False)
    with pytest.raises(TypeError, match="open_dataset"):
        evaluate(Reading(), tmp_path / "data", progress=False)
    with pytest.raises(TypeError, match=r"pixelwise\.load\('runs/train'\)"):
        evaluate("runs/train", data, progress=False)


def test_what_is_written(data, tmp_path):
    result = evaluate(Predictor(Reading()), data, progress=False)
    page = result.write(tmp_path / "out")
    assert page == tmp_path / "out" / "index.html"
    text = page.read_text("utf-8")
    for part in ("mIoU", "worked", "data:image/", "over the whole data set", "by their class alone"):
        assert part in text

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads((tmp_path / "out" / "metrics.json").read_text(), parse_constant=refuse)
    assert found["scores"]["mIoU"] == result.scores["mIoU"]
    assert found["per_class"][3]["IoU"] is None
    with (tmp_path / "out" / "per_image.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == [row["name"] for row in result.per_image]
    worst = sorted((tmp_path / "out" / "worst").iterdir())
    assert len(worst) == 2
    assert "worked" in worst[0].name
    assert np.array(Image.open(worst[0])).shape[1] > 4 * 190


def test_the_table_lines_up(data):
    lines = evaluate(Reading(), data, progress=False).table().splitlines()
    assert lines[0].split() == ["class", "IoU", "Dice", "pixel", "accuracy", "ground", "truth", "predicted"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[4:6] == ["classes in neither the ground truth nor a prediction: d", ""]


def test_what_is_not_there_is_no_row_and_what_is_undefined_a_dash(data, tmp_path):
    result = evaluate(Reading(), data, progress=False)
    objects = replace(
        result,
        classes=Classes(NAMES, background=0),
        scores={**result.scores, "mask AP large": math.nan},
        per_class=[
            {"class": name, "mask AP": math.nan, "ground truth": 0, "predicted": number}
            for name, number in zip(NAMES, (0, 2, 0, 0), strict=True)
        ],
    )
    _, row, absent, *rest = objects.table().splitlines()
    assert (row.split(), absent) == (["b", "–", "0", "2"], "classes in neither the ground truth nor a prediction: c, d")
    assert ["mask", "AP", "large", "–"] in [line.split() for line in rest]
    page = objects.write(tmp_path / "out").read_text("utf-8")
    assert "nan" not in page and absent in page
    assert "a,nan,0,0" in (tmp_path / "out" / "per_class.csv").read_text()


def test_a_class_that_is_hardly_found_is_named(data):
    class Blind(Reading):
        def forward(self, images: Tensor) -> SemanticOutputs:
            return SemanticOutputs(super().forward(images).logits - 1e6 * torch.tensor([0, 0, 1, 0]).view(1, 4, 1, 1))

    lines = evaluate(Blind(), data, progress=False).table().splitlines()
    assert lines[-1] == "c: less than 1% of its pixels are predicted correctly, IoU 0.0000"
    assert "less than" not in evaluate(Reading(), data, progress=False).table()


def test_the_views_of_the_worst_are_as_wide_as_the_image(tmp_path):
    for name, size in (("tall", (100, 50)), ("wide", (50, 100)), ("large", (900, 600))):
        truth = np.ones(size, int)
        write(tmp_path, name, (0 * truth).tolist(), truth.tolist())
    data = open_dataset(tmp_path, split="val", classes=NAMES)
    shown = {text.partition(":")[0]: pixels for pixels, text in evaluate(Reading(), data, progress=False).worst()}
    widths = {name.rpartition("/")[2]: pixels.shape[1] for name, pixels in shown.items()}
    assert widths == {"tall": 8 + 4 * (96 + 8), "wide": 8 + 4 * (192 + 8), "large": 8 + 4 * (256 + 8)}


def test_real_images_against_themselves(nuclei_sample):
    """The ground truth as its own result: every score is 1."""
    data = open_dataset(nuclei_sample, split="val")
    data = replace(data, records=data.records[:3])
    truths = iter([data.truth(i) for i in range(3)])

    class Knowing(SemanticModel):
        def forward(self, images: Tensor) -> SemanticOutputs:
            values = next(truths).class_map().long()
            return SemanticOutputs(torch.nn.functional.one_hot(values, 2).permute(2, 0, 1)[None].float())

    result = evaluate(Knowing(2), data, progress=False)
    assert set(result.scores.values()) == {1.0}
    assert result.classes == data.classes


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path):
    generator = np.random.default_rng(0)
    for n in range(5):
        found, truth = generator.integers(0, 4, (2, 8, 8)).tolist()
        write(tmp_path / "data", f"p{n}", found, truth)
    broken = tmp_path / "data" / "images" / "val" / "p3.png"
    broken.write_bytes(broken.read_bytes()[:50])
    code = f"""
import importlib.util, json, sys
import torch
spec = importlib.util.spec_from_file_location("cases", {str(Path(__file__))!r})
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
rank, world = int(sys.argv[1]), int(sys.argv[2])
if world > 1:
    torch.distributed.init_process_group("gloo", init_method={f"file://{tmp_path}/meet"!r}, rank=rank, world_size=world)
data = cases.open_dataset({str(tmp_path / "data")!r}, split="val", classes=cases.NAMES)
result = cases.evaluate(cases.Reading(), data, progress=False)
print(json.dumps([dict(result.scores), sorted(map(list, result.failures))]))
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(rank), str(world)], stdout=subprocess.PIPE, text=True)
        for rank, world in ((0, 2), (1, 2))
    ]
    result = evaluate(Reading(), open_dataset(tmp_path / "data", split="val", classes=NAMES), progress=False)
    for run in runs:
        scores, failures = json.loads(run.communicate(timeout=120)[0])
        assert scores == result.scores
        assert failures == [list(failure) for failure in result.failures]
        assert len(failures) == 1
