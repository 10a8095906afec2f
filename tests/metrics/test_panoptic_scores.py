"""The three metrics of one panoptic result, what `evaluate` makes of them, and the sum over processes."""

import json
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
from pixelwise.data.dataset import Dataset, Record
from pixelwise.evaluation.scoring import evaluate
from pixelwise.metrics import METRICS
from pixelwise.metrics.average_precision import AveragePrecision
from pixelwise.metrics.confusion import ConfusionMatrix
from pixelwise.metrics.panoptic_quality import PanopticQuality
from pixelwise.metrics.panoptic_scores import Panoptic
from pixelwise.models.base import Model
from pixelwise.segmentation import Segmentation

CLASSES = Classes(("sky", "road", "car", "person"), things=(False, False, True, True))


def random_segmentation(seed: int, crowd: bool = False) -> Segmentation:
    """Sky above road, void in a corner, and objects of both kinds in front."""
    rng = np.random.default_rng(seed)
    ids = np.full((30, 40), 1, np.int32)
    ids[rng.integers(12, 18) :], ids[:4, :6] = 2, 0
    labels = [0, 1]
    for n in range(6):
        y, x, h, w = np.array([15 * (n // 3), 13 * (n % 3), 0, 0]) + rng.integers([0, 0, 5, 5], [4, 4, 11, 9])
        labels.append(int(rng.integers(2, 4)))
        ids[y : y + h, x : x + w] = len(labels)
    scores = torch.from_numpy(rng.random(len(labels), np.float32))
    crowds = torch.tensor([crowd and n == 4 for n in range(len(labels))])
    return Segmentation(CLASSES, torch.tensor(labels), scores, torch.from_numpy(ids), crowd=crowds)


def moved(truth: Segmentation, seed: int) -> Segmentation:
    """A result: the ground truth some pixels off, one thing less, another of the other class."""
    assert truth.ids is not None
    labels = truth.labels.clone()
    labels[2 + seed % 6] = 5 - labels[2 + seed % 6]
    found = Segmentation(CLASSES, labels, truth.scores, truth.ids.roll((1, seed % 3), (0, 1)))
    return found.select(torch.tensor([n for n in range(8) if n != 2 + (seed + 1) % 6]))


def pairs(number: int) -> list[tuple[Segmentation, Segmentation]]:
    truths = [random_segmentation(seed, crowd=seed % 2 == 1) for seed in range(number)]
    return [(moved(truth, seed), truth) for seed, truth in enumerate(truths)]


def panoptic_of(some: list[tuple[Segmentation, Segmentation]]) -> Panoptic:
    metric = Panoptic(CLASSES)
    for k, (found, truth) in enumerate(some):
        metric.update(found, truth, f"image {k}")
    return metric


def objects(segmentation: Segmentation) -> Segmentation:
    """The things as masks."""
    kept = [n for n, label in enumerate(segmentation.labels.tolist()) if label >= 2]
    masks = torch.stack([segmentation.mask(n) for n in kept])
    index = torch.tensor(kept)
    return Segmentation(
        CLASSES, segmentation.labels[index], segmentation.scores[index], masks=masks, crowd=segmentation.crowd[index]
    )


def test_each_part_says_what_it_says_alone() -> None:
    alone = PanopticQuality(CLASSES), ConfusionMatrix(CLASSES), AveragePrecision(CLASSES)
    for found, truth in pairs(6):
        alone[0].update(found, truth)
        alone[1].update(found, truth)
        alone[2].update(objects(found), objects(truth))
    metric = panoptic_of(pairs(6))
    scores = metric.scores()
    for part in alone:
        expected = {name: value for name, value in part.scores().items() if not name.startswith("box")}
        assert {name: scores[name] for name in expected} == pytest.approx(expected, nan_ok=True)
    assert 0 < scores["PQ"] < 1
    assert 0 < scores["mIoU"] < 1
    assert 0 < scores["mask AP"] < 1
    for k, row in enumerate(metric.per_class()):
        segments, pixels, masks = (part.per_class()[k] for part in alone)
        expected = segments | {"IoU": pixels["IoU"], "mask AP": masks["mask AP"], "mask AP50": masks["mask AP50"]}
        assert {name: row[name] for name in expected} == pytest.approx(expected, nan_ok=True)
        assert np.isnan(row["mask AP"]) == (not CLASSES.things[k])
    assert set(metric.per_image()[0]) == {"name", *scores} - {
        name
        for name in scores
        if name.startswith(("image-wise", "mask A")) and name not in ("mask AP", "mask AP50", "mask AP75")
    }


def test_a_truth_against_itself_scores_one() -> None:
    scores = panoptic_of([(truth, truth) for _, truth in pairs(3)]).scores()
    assert {name for name, value in scores.items() if value != 1 and not np.isnan(value)} <= {"mask AR1"}


def test_every_score_is_defined() -> None:
    metric = METRICS["panoptic"](CLASSES)
    assert set(metric.scores()) <= set(metric.DEFINITIONS)
    assert set(metric.per_class()[0]) - {"class", "ground truth", "predicted"} <= set(metric.DEFINITIONS)
    assert metric.MAIN_SCORE in metric.scores()


class Reading(Model):
    """Reads the class and the number of the segment from the red and the green of each pixel."""

    task = "panoptic"

    def __init__(self) -> None:
        super().__init__(len(CLASSES))
        self.classes = CLASSES

    def forward(self, images: Tensor) -> Tensor:
        return (255 * images).round().int()

    def decode(self, outputs: Tensor, sizes: list[tuple[int, int]]) -> list[Segmentation]:
        results = []
        for (red, green, blue), (h, w) in zip(outputs, sizes, strict=True):
            ids = green[:h, :w]
            chosen = [int((ids == n + 1).flatten().int().argmax()) for n in range(int(ids.max()))]
            labels, scores = (plane[:h, :w].flatten()[chosen].long() for plane in (red, blue))
            results.append(Segmentation(CLASSES, labels, scores / 255, ids))
        return results

    def loss(self, outputs, truths):
        raise NotImplementedError("it is only used for prediction")


def write(folder: Path, number: int) -> tuple[Dataset, list[tuple[Segmentation, Segmentation]]]:
    """Images that show what is to be found, and their ground truths."""
    some, kept, records = pairs(number), {}, []
    for k, (found, truth) in enumerate(some):
        scores = (255 * found.scores).round() / 255
        some[k] = replace(found, scores=scores), truth
        red, blue = (torch.cat([torch.zeros(1), values]) for values in (found.labels.float(), 255 * scores))
        planes = torch.stack([red[found.ids], found.ids.float(), blue[found.ids]], -1).round().byte()
        Image.fromarray(planes.numpy()).save(folder / f"{k}.png")
        records.append(Record(f"image {k}", folder / f"{k}.png"))
        kept[f"image {k}"] = truth
    return Dataset(CLASSES, tuple(records), "val", "made here", (), lambda record: kept[record.name]), some


def test_one_evaluation_prints_all_of_it(tmp_path: Path) -> None:
    data, some = write(tmp_path, 4)
    result = evaluate(Reading(), data, progress=False)
    assert result.main == "PQ"
    assert dict(result.scores) == pytest.approx(panoptic_of(some).scores(), nan_ok=True)
    lines = {line.split("  ")[0]: line for line in result.table().splitlines()}
    for name in ("PQ", "PQ things", "SQ stuff", "mIoU", "mask AP"):
        assert lines[name].split()[-3:][1] == "to" or lines[name].split()[-1] == f"{result.scores[name]:.4f}"
    assert lines["car"].split()[1] == f"{result.per_class[2]['PQ']:.4f}"
    low, high = result.intervals["PQ"]
    assert low < result.scores["PQ"] < high
    page = result.write(tmp_path / "out")
    assert "Panoptic quality of a class" in page.read_text("utf-8")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))["scores"]["PQ"] == result.scores["PQ"]
    assert len(list((tmp_path / "out" / "worst").iterdir())) == 4


def test_a_image_that_fails_counts_as_missed(tmp_path: Path) -> None:
    data, _ = write(tmp_path, 3)
    whole = evaluate(Reading(), data, progress=False)
    (tmp_path / "1.png").write_bytes(b"no image")
    result = evaluate(Reading(), data, progress=False)
    assert len(result.failures) == 1
    assert all(result.scores[name] < whole.scores[name] for name in ("PQ", "RQ", "mIoU"))
    counted = [sum(int(row["ground truth"]) for row in one.per_class) for one in (whole, result)]
    assert counted == [23, 23], "eight segments an image, one of them a crowd"


def count_share(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = Panoptic(CLASSES)
    for found, truth in pairs(7)[rank::2]:
        metric.update(found, truth)
    metric.reduce()
    torch.save([metric.scores(), metric.quality.per_class()], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_count_what_one_does(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    whole, first, second = (panoptic_of(some) for some in (pairs(7), pairs(7)[::2], pairs(7)[1::2]))
    first.merge(second)
    for rank in range(2):
        scores, rows = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert scores == pytest.approx(whole.scores(), rel=1e-12, nan_ok=True)
        assert scores == pytest.approx(first.scores(), rel=1e-12, nan_ok=True)
        assert [row["matched"] for row in rows] == [row["matched"] for row in whole.per_class()]


if __name__ == "__main__":
    count_share(int(sys.argv[1]), sys.argv[2])
