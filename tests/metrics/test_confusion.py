"""The scores against hand-made cases, a pixel-by-pixel count, torchmetrics, and between processes."""

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.metrics import METRICS
from pixelwise.metrics.bootstrap import bootstrap_counts
from pixelwise.metrics.confusion import ConfusionMatrix, summarize
from pixelwise.metrics.joint_histogram import STRIPE, joint_histogram
from pixelwise.segmentation import Segmentation

TRUTH = np.array([[0, 0, 1, 1], [2, 2, 0, 255]], np.uint8)
FOUND = np.array([[0, 1, 1, 1], [2, 0, 0, 3]], np.uint8)


def segmentation(class_map: np.ndarray, classes: Classes) -> Segmentation:
    return Segmentation.from_class_map(torch.from_numpy(class_map), classes)


def metric_of(pairs: list[tuple[np.ndarray, np.ndarray]], number: int) -> ConfusionMatrix:
    classes = Classes.numbered(number)
    metric = ConfusionMatrix(classes)
    for k, (found, truth) in enumerate(pairs):
        metric.update(segmentation(found, classes), segmentation(truth, classes), f"image {k}")
    return metric


def random_pairs(rng: np.random.Generator, images: int, number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Maps of all sizes, coarse and noisy, in which some classes are missing and some pixels void on either side."""
    pairs = []
    for k in range(images):
        h, w = rng.integers(1, 60, 2)
        block = 1 + 7 * (k % 2)
        maps = []
        for _ in range(2):
            values = np.append(rng.choice(number, size=max(1, number - 2), replace=False), 255)
            coarse = rng.choice(values, size=(-(-h // block), -(-w // block)))
            maps.append(np.kron(coarse, np.ones((block, block)))[:h, :w].astype(np.uint8))
        pairs.append((maps[0], maps[1]))
    return pairs


def test_worked_vector() -> None:
    metric = metric_of([(FOUND, TRUTH)], 4)
    assert metric.matrix[:, :4].tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert metric.matrix[:, 4].tolist() == [0, 0, 0, 0]
    assert metric.scores() == {
        "mIoU": pytest.approx(0.555556, abs=1e-6),
        "pixel accuracy": pytest.approx(0.714286, abs=1e-6),
        "mean pixel accuracy": pytest.approx(0.722222, abs=1e-6),
        "Dice": pytest.approx((0.666667 + 0.8 + 0.666667) / 3, abs=1e-6),
        "frequency-weighted IoU": pytest.approx(0.547619, abs=1e-6),
        "image-wise mIoU": pytest.approx(0.555556, abs=1e-6),
        "image-wise Dice": pytest.approx((0.666667 + 0.8 + 0.666667) / 3, abs=1e-6),
    }
    rows = metric.per_class()
    assert [row["class"] for row in rows] == ["class 0", "class 1", "class 2", "class 3"]
    assert [row["IoU"] for row in rows] == pytest.approx([0.5, 0.666667, 0.5, math.nan], abs=1e-6, nan_ok=True)
    assert [row["Dice"] for row in rows] == pytest.approx([0.666667, 0.8, 0.666667, math.nan], abs=1e-6, nan_ok=True)
    assert [(row["ground truth"], row["predicted"]) for row in rows] == [(3, 3), (2, 3), (2, 1), (0, 0)]


def test_a_class_that_is_found_but_never_true_counts_with_zero() -> None:
    found = np.where(TRUTH == 0, 3, TRUTH)
    scores = metric_of([(found, TRUTH)], 5).scores()
    assert scores["mIoU"] == pytest.approx((0 + 1 + 1 + 0) / 4)
    assert scores["Dice"] == pytest.approx((0 + 1 + 1 + 0) / 4)
    assert scores["mean pixel accuracy"] == pytest.approx((0 + 1 + 1) / 3)


def test_pixels_found_as_void_are_missed() -> None:
    found = np.where(TRUTH == 1, 255, TRUTH)
    found[0, 0] = 255
    metric = metric_of([(found, TRUTH)], 3)
    assert metric.matrix.tolist() == [[2, 0, 0, 1], [0, 0, 0, 2], [0, 0, 2, 0]]
    assert metric.scores()["pixel accuracy"] == pytest.approx(4 / 7)
    assert metric.scores()["mIoU"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert [row["predicted"] for row in metric.per_class()] == [2, 0, 2]


def by_the_pixel(pairs: list[tuple[np.ndarray, np.ndarray]], number: int) -> dict[str, float]:
    """The scores from one counter of (true, found) pairs, in plain Python."""
    count = Counter((int(t), int(f)) for found, truth in pairs for t, f in zip(truth.flat, found.flat, strict=True))
    count = Counter({pair: n for pair, n in count.items() if pair[0] != 255})
    total = sum(count.values())
    ious, dices, recalls, weighted = [], [], [], 0.0
    for c in range(number):
        both = count[c, c]
        true = sum(n for (t, _), n in count.items() if t == c)
        found = sum(n for (_, f), n in count.items() if f == c)
        if true:
            recalls.append(both / true)
        if true or found:
            ious.append(both / (true + found - both))
            dices.append(2 * both / (true + found))
            weighted += true / total * ious[-1]
    return {
        "mIoU": sum(ious) / len(ious),
        "Dice": sum(dices) / len(dices),
        "pixel accuracy": sum(count[c, c] for c in range(number)) / total,
        "mean pixel accuracy": sum(recalls) / len(recalls),
        "frequency-weighted IoU": weighted,
    }


@pytest.mark.parametrize("number", [2, 7, 21])
def test_random_maps_are_scored_as_by_the_pixel(number: int) -> None:
    pairs = random_pairs(np.random.default_rng(number), 12, number)
    metric = metric_of(pairs, number)
    expected = by_the_pixel(pairs, number)
    alone = [by_the_pixel([pair], number) for pair in pairs if (pair[1] != 255).any()]
    expected["image-wise mIoU"] = sum(scores["mIoU"] for scores in alone) / len(alone)
    expected["image-wise Dice"] = sum(scores["Dice"] for scores in alone) / len(alone)
    assert metric.scores() == pytest.approx(expected, rel=1e-12)
    rows = [row for row in metric.per_image() if not math.isnan(float(row["mIoU"]))]
    assert [row["mIoU"] for row in rows] == pytest.approx([scores["mIoU"] for scores in alone], rel=1e-12)


@pytest.mark.slow
def test_random_maps_are_scored_as_by_torchmetrics() -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    rng = np.random.default_rng(5)
    pairs = [(found % 9, truth) for found, truth in random_pairs(rng, 12, 9)]  # torchmetrics knows no void results
    theirs = {
        "mIoU": classification.MulticlassJaccardIndex(9, ignore_index=255),
        "Dice": classification.MulticlassF1Score(9, ignore_index=255),
        "pixel accuracy": classification.MulticlassAccuracy(9, average="micro", ignore_index=255),
    }
    for found, truth in pairs:
        for peer in theirs.values():
            peer.update(torch.from_numpy(found).long()[None], torch.from_numpy(truth).long()[None])
    scores = metric_of(pairs, 9).scores()
    for name, peer in theirs.items():
        assert scores[name] == pytest.approx(peer.compute().item(), rel=1e-6), name


@pytest.mark.parametrize("block", [1, 5, 16, 60, 300])
def test_pixels_and_whole_blocks_of_them_count_alike(block: int) -> None:
    """Regions whose edges fall anywhere among the eight pixels that are counted at once, void among them."""
    rng = np.random.default_rng(block)
    for h, w in ((1, 1), (3, 5), (1, 8), (97, 211), (64, 128)):
        rows, columns = (np.sort(rng.integers(0, -(-side // block), side)) for side in (h, w))
        truth, found = (rng.choice([0, 1, 2, 254, 255], (h, w)).astype(np.uint8)[np.ix_(rows, columns)] for _ in "tf")
        pairs = Counter(zip(truth.ravel().tolist(), found.ravel().tolist(), strict=True))
        table = joint_histogram(truth, found)
        assert {(int(t), int(f)): int(table[t, f]) for t, f in np.argwhere(table)} == pairs


@pytest.mark.parametrize("calm", [True, False], ids=["large regions", "noise"])
def test_counts_are_exact_beyond_what_float32_holds(calm: bool) -> None:
    """OpenCV's histogram is float32, and so would be off by one here."""
    truth, found = np.zeros((2, 4201, 4507), np.uint8)
    found[:, :: 4507 if calm else 10] = 1
    found[0, 1] = 2
    expected = [int((found == k).sum()) for k in range(3)]
    assert int(np.float32(expected[0])) != expected[0] > STRIPE
    table = joint_histogram(truth, found)
    assert table[0, :3].tolist() == expected
    assert table.sum() == truth.size


def test_a_truth_against_itself_scores_one() -> None:
    metric = metric_of([(truth, truth) for _, truth in random_pairs(np.random.default_rng(3), 4, 5)], 5)
    assert set(metric.scores().values()) == {1.0}


def test_nothing_counted_is_nan_and_says_so_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    void = np.full((3, 4), 255, np.uint8)
    for metric in (metric_of([], 3), metric_of([(np.zeros((3, 4), np.uint8), void)], 3)):
        assert all(math.isnan(score) for score in metric.scores().values())
    assert not recwarn.list


def test_a_image_of_one_pixel_and_the_most_classes_there_can_be() -> None:
    one = np.array([[254]], np.uint8)
    metric = metric_of([(one, one)], 255)
    assert metric.scores()["mIoU"] == 1
    assert metric.matrix[254, 254] == 1


def test_results_with_masks_are_counted_by_their_class_map() -> None:
    classes = Classes(("background", "cell"), background=0)
    masks = torch.tensor([[[True, False], [True, False]]])
    metric = ConfusionMatrix(classes)
    metric.update(
        Segmentation(classes, torch.tensor([1]), masks=masks),
        segmentation(np.array([[1, 0], [0, 0]], np.uint8), classes),
    )
    assert metric.matrix.tolist() == [[2, 1, 0], [0, 1, 0]]


def test_other_integers_than_bytes_and_tensors() -> None:
    metric = ConfusionMatrix(Classes.numbered(4))
    expected = metric.count(FOUND, TRUTH).tolist()
    assert metric.count(torch.from_numpy(FOUND).long(), TRUTH.astype(np.int32)).tolist() == expected
    assert metric.count(FOUND[:, ::2], np.asfortranarray(TRUTH[:, ::2])).sum() == 4
    assert not metric.matrix.any()


def test_merged_parts_are_the_whole() -> None:
    pairs = random_pairs(np.random.default_rng(1), 6, 4)
    whole, first, second = metric_of(pairs, 4), metric_of(pairs[:2], 4), metric_of(pairs[2:], 4)
    first.merge(second)
    assert first.scores() == whole.scores()
    assert first.matrix.tolist() == whole.matrix.tolist()
    assert len(first.names) == len(first.images) == 6


def test_errors_name_what_is_wrong() -> None:
    metric = ConfusionMatrix(Classes.numbered(3))
    with pytest.raises(ValueError, match="prediction holds class 3, but the 3 classes are numbered 0 to 2"):
        metric.count(np.where(TRUTH == 0, 3, 0), TRUTH)
    with pytest.raises(ValueError, match="truth holds class 200"):
        metric.count(TRUTH, np.where(TRUTH == 0, 200, 0))
    with pytest.raises(ValueError, match="prediction holds -1 to 2"):
        metric.count(FOUND.astype(int).clip(0, 2) - (TRUTH == 0), TRUTH)
    with pytest.raises(ValueError, match="prediction is 2x4, the ground truth 4x2"):
        metric.count(FOUND.T, TRUTH)
    with pytest.raises(ValueError, match="float32"):
        metric.count(FOUND.astype(np.float32), TRUTH)
    with pytest.raises(ValueError, match="same classes"):
        metric.merge(ConfusionMatrix(Classes(("a", "b", "c"))))


def test_a_class_out_of_range_where_the_truth_is_void_is_not_looked_at() -> None:
    found = np.where(TRUTH == 255, 77, 0)
    assert ConfusionMatrix(Classes.numbered(3)).count(found, TRUTH).sum() == 7


def test_every_score_is_defined() -> None:
    metric = METRICS["semantic"](Classes.numbered(2))
    assert set(metric.scores()) <= set(metric.DEFINITIONS)
    assert set(metric.per_class()[0]) - {"class", "ground truth", "predicted"} <= set(metric.DEFINITIONS)
    assert metric.MAIN_SCORE in metric.scores()


def test_bootstrap_intervals() -> None:
    """Half of the images are right and half are wrong: the accuracy of n drawn ones is binomial, σ = 1 / (2 √n)."""
    right, wrong = ([[n, 0], [10, 10], [n, 0]] for n in (10, 0))
    intervals = bootstrap_counts(
        np.array([right, wrong] * 50),
        np.random.default_rng(0),
        1000,
        0.95,
        summarize=summarize,
        image_wise=ConfusionMatrix.IMAGE_WISE,
    )
    low, high = intervals["pixel accuracy"]
    assert low == pytest.approx(0.25 - 1.96 * 0.025, abs=0.01)
    assert high == pytest.approx(0.25 + 1.96 * 0.025, abs=0.01)
    assert intervals["image-wise mIoU"] == pytest.approx((low, high), abs=1e-12)
    metric = metric_of(random_pairs(np.random.default_rng(2), 8, 3), 3)
    intervals = metric.intervals(np.random.default_rng(0), draws=200)
    assert set(intervals) == set(metric.scores())
    assert all(intervals[name][0] <= score <= intervals[name][1] for name, score in metric.scores().items())
    assert intervals == metric.intervals(np.random.default_rng(0), draws=200)
    assert ConfusionMatrix(Classes.numbered(3)).intervals(np.random.default_rng(0)) == {}


def count_share(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = metric_of(random_pairs(np.random.default_rng(4), 7, 5)[rank::2], 5)
    metric.reduce()
    torch.save([metric.scores(), metric.matrix.tolist(), metric.names], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_count_what_one_does(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    whole = metric_of(random_pairs(np.random.default_rng(4), 7, 5), 5)
    results = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    assert results[0] == results[1]
    scores, matrix, names = results[0]
    assert scores == pytest.approx(whole.scores(), rel=1e-12)
    assert matrix == whole.matrix.tolist()
    assert names == [f"image {k}" for k in (0, 1, 2, 3, 0, 1, 2)]


if __name__ == "__main__":
    count_share(int(sys.argv[1]), sys.argv[2])
