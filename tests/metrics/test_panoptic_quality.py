"""The scores against hand-made cases, the recorded panoptic API and a count in plain Python."""

import json
import math

import numpy as np
import pytest
import torch
from record_panoptic_quality import CLASSES, FILE, SETS, THINGS, Scene, disturbed, random_set, read_sample

from pixelwise.classes import Classes
from pixelwise.metrics.panoptic_quality import LOOSE, MAX_TABLE, STRIPE, PanopticQuality, count_pairs, qualities
from pixelwise.segmentation import Segmentation

RECORDED = json.loads(FILE.read_text("utf-8"))
SIX = Classes(tuple("abcdef"), things=THINGS)


def segmentations(scene: Scene, classes: Classes) -> tuple[Segmentation, Segmentation]:
    found, truth = (torch.from_numpy(np.ascontiguousarray(ids)) for ids in (scene.found, scene.truth))
    labels, true_labels = (torch.from_numpy(values).long() for values in (scene.labels, scene.true_labels))
    crowd = torch.from_numpy(scene.crowd)
    return Segmentation(classes, labels, ids=found), Segmentation(classes, true_labels, ids=truth, crowd=crowd)


def metric_of(scenes: list[Scene], classes: Classes = SIX) -> PanopticQuality:
    metric = PanopticQuality(classes)
    for k, scene in enumerate(scenes):
        metric.update(*segmentations(scene, classes), f"image {k}")
    return metric


def worked() -> Scene:
    """The vector of the metrics card: an IoU of exactly 0.5, void in a union, crowds of its own and another class."""
    truth, found = np.zeros((2, 8, 8), np.int32)
    truth[0:4, 0:4], truth[0:4, 4:6], truth[4:6], truth[6:8, 0:6] = 1, 2, 3, 4
    found[0:3, 0:4], found[0:4, 5:8], found[4:6, 0:5], found[4:6, 5:8], found[6:8] = 1, 2, 3, 4, 5
    return Scene(found, np.array([0, 0, 0, 1, 2]), truth, np.array([0, 0, 0, 2]), np.arange(4) == 2)


FOUR = Classes(("one", "two", "three", "four"), things=(True, True, False, False))


def test_worked_vector() -> None:
    metric = metric_of([worked()], FOUR)
    assert metric.images[0][:, :3].T.tolist() == [[0.75, 1, 0, 1], [0, 0, 1, 0], [1, 1, 0, 0]]
    assert metric.scores() == {
        "PQ": 0.5,
        "SQ": pytest.approx(0.583333, abs=1e-6),
        "RQ": pytest.approx(0.555556, abs=1e-6),
        "PQ things": 0.25,
        "SQ things": 0.375,
        "RQ things": pytest.approx(1 / 3),
        "PQ stuff": 1,
        "SQ stuff": 1,
        "RQ stuff": 1,
        LOOSE: pytest.approx((0.75 / 2 + 0 + 1) / 3),
    }
    rows = metric.per_class()
    assert [row["class"] for row in rows] == list(FOUR.names)
    assert [row["PQ"] for row in rows] == pytest.approx([0.5, 0, 1, math.nan], nan_ok=True)
    assert [row["SQ"] for row in rows] == pytest.approx([0.75, 0, 1, math.nan], nan_ok=True)
    assert [(row["matched"], row["ground truth"], row["predicted"]) for row in rows] == [
        (1, 2, 1),
        (0, 0, 1),
        (1, 1, 1),
        (0, 0, 0),
    ]


def check(metric: PanopticQuality, recorded: dict[str, object]) -> None:
    scores = metric.scores()
    for name, value in recorded["scores"].items():
        assert scores[name] == pytest.approx(value, abs=1e-9), name
    counts = metric._stacked().sum(0).T
    found = {str(k): row.tolist() for k, row in enumerate(counts) if row.any()}
    assert found == {k: pytest.approx(row, abs=1e-9) for k, row in recorded["classes"].items()}


@pytest.mark.parametrize("seed", range(SETS))
def test_random_maps_are_scored_as_by_the_panoptic_api(seed: int) -> None:
    check(metric_of(random_set(seed)), RECORDED[f"random {seed}"])


def test_coco_is_scored_as_by_the_panoptic_api(trial_data) -> None:
    categories, scenes = read_sample(trial_data("coco-panoptic-sample"))
    things = tuple(category["isthing"] == 1 for category in categories)
    classes = Classes(tuple(category["name"] for category in categories), things=things)
    metric = metric_of(scenes, classes)
    check(metric, RECORDED["coco"])
    assert set(metric.scores().values()) == {1.0}
    for seed in range(6):
        check(metric_of(disturbed(scenes, seed, len(classes)), classes), RECORDED[f"coco {seed}"])


def by_the_pixel(scenes: list[Scene], classes: int) -> list[list[float]]:
    """Σ IoU, TP, FP and FN of each class, from sets of pixels in plain Python."""
    table = [[0.0, 0, 0, 0] for _ in range(classes)]
    for scene in scenes:
        areas = [{}, {}]
        for ids, segments in zip((scene.truth, scene.found), areas, strict=True):
            for place, n in enumerate(ids.ravel().tolist()):
                segments.setdefault(n, set()).add(place)
        true, found = areas
        void = true.pop(0, set())
        found.pop(0, None)
        kinds = dict(enumerate(scene.true_labels.tolist(), 1)), dict(enumerate(scene.labels.tolist(), 1))
        crowds = {kinds[0][n]: true[n] for n in sorted(true) if scene.crowd[n - 1]}
        left = {n for n in true if not scene.crowd[n - 1]}
        for m, pixels in found.items():
            row = table[kinds[1][m]]
            for n in true:
                both = len(true[n] & pixels)
                either = len((true[n] | pixels) - (void & pixels))
                if n in left and kinds[0][n] == kinds[1][m] and 2 * both > either:
                    row[0] += both / either
                    row[1] += 1
                    left.remove(n)
                    break
            else:
                row[2] += 2 * len(pixels & (void | crowds.get(kinds[1][m], set()))) <= len(pixels)
        for n in left:
            table[kinds[0][n]][3] += 1
    return table


@pytest.mark.parametrize("seed", range(100, 105))
def test_random_maps_are_scored_as_by_the_pixel(seed: int) -> None:
    scenes = random_set(seed)
    metric, expected = metric_of(scenes), by_the_pixel(scenes, CLASSES)
    assert metric._stacked().sum(0).T.tolist() == [pytest.approx(row, rel=1e-12) for row in expected]
    means = {thing: [] for thing in (True, False)}
    for (iou, tp, fp, fn), thing in zip(expected, THINGS, strict=True):
        means[thing] += [iou / (tp + fp / 2 + fn / 2)] if tp + fp + fn else []
    scores = metric.scores()
    assert scores["PQ things"] == pytest.approx(np.mean(means[True]), rel=1e-12)
    assert scores["PQ stuff"] == pytest.approx(np.mean(means[False]), rel=1e-12)
    assert scores["PQ"] == pytest.approx(np.mean(means[True] + means[False]), rel=1e-12)


def test_the_loose_form_follows_from_pq() -> None:
    counts = metric_of(random_set(0) + random_set(1)).images
    each = qualities(np.stack(counts))
    np.testing.assert_allclose(each["PQ"], each["SQ"] * each["RQ"], rtol=1e-12)
    np.testing.assert_allclose(each[LOOSE], each["PQ"] / (2 - each["RQ"]), rtol=1e-12)
    rows = metric_of(random_set(0)).per_class()
    assert [row[LOOSE] * (row["ground truth"] + row["predicted"] - row["matched"]) for row in rows] == pytest.approx(
        [row["SQ"] * row["matched"] for row in rows]
    )


def test_every_image_alone() -> None:
    scenes = random_set(3)
    rows = metric_of(scenes).per_image()
    assert [row.pop("name") for row in rows] == [f"image {k}" for k in range(len(scenes))]
    assert rows == [pytest.approx(metric_of([scene]).scores(), nan_ok=True) for scene in scenes]
    assert any(math.isnan(row["PQ things"]) for row in rows)


@pytest.mark.parametrize("side", [1, 4, 40, 400])
def test_runs_of_pixels_count_as_pixels(side: int) -> None:
    """Regions whose edges fall anywhere; more segments than a table takes; more pixels than a stripe."""
    rng = np.random.default_rng(side)
    for h, w, number in ((1, 1, 1), (3, 5, 9), (0, 4, 1), (97, 211, 300), (1, STRIPE + 3, 70_000), (700, 1501, 3)):
        rows, columns = (np.sort(rng.integers(0, -(-size // side), size)) for size in (h, w))
        true, found = (rng.integers(0, number, (h, w), np.int32)[np.ix_(rows, columns)] for _ in range(2))
        pairs = count_pairs(true, found, (number, number))
        expected = np.unique(true.astype(np.int64) * number + found, return_counts=True)
        assert (pairs.true * number + pairs.predicted).tolist() == expected[0].tolist()
        assert pairs.pixels.tolist() == expected[1].tolist()
    assert MAX_TABLE < 70_000**2


def test_masks_that_overlap_and_what_they_leave_over() -> None:
    """The better scored keeps the pixels; the rest is one segment of the background."""
    classes = Classes(("ground", "cell"), things=(False, True), background=0)
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[0, :2], masks[1, 1:3] = True, True
    found = Segmentation(classes, torch.tensor([1, 1]), torch.tensor([0.4, 0.9]), masks=masks)
    ids = torch.zeros(4, 6, dtype=torch.int32)
    ids[0], ids[1:3], ids[3] = 1, 2, 3
    truth = Segmentation(classes, torch.tensor([1, 1, 0]), ids=ids)
    for one, other in ((found, truth), (truth, found)):
        metric = PanopticQuality(classes)
        metric.update(one, other)
        assert metric.scores()["PQ"] == 1
        assert [row["matched"] for row in metric.per_class()] == [1, 2]
    metric.update(Segmentation(classes, torch.tensor([1]), masks=torch.ones(1, 4, 6, dtype=torch.bool)), found)
    assert metric.images[1].T.tolist() == [[0, 0, 0, 1], [0, 0, 1, 2]], "half is no match"
    whole = Segmentation(classes, torch.tensor([1]), masks=torch.ones(1, 4, 6, dtype=torch.bool))
    metric.update(whole, whole)
    assert metric.images[2].T.tolist() == [[0, 0, 0, 0], [1, 1, 0, 0]], "where all is covered there is no background"


def test_segments_without_pixels() -> None:
    scene = worked()
    labels, true_labels, crowd = (np.append(values, 0) for values in (scene.labels, scene.true_labels, scene.crowd))
    counts = metric_of([scene, scene._replace(labels=labels, true_labels=true_labels, crowd=crowd > 0)], FOUR).images
    assert (counts[1] - counts[0]).tolist() == [[0] * 4, [0] * 4, [0] * 4, [1, 0, 0, 0]]


def test_nothing_counted_is_nan_and_says_so_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    void = Scene(
        np.ones((3, 4), np.int32), np.array([0]), np.zeros((3, 4), np.int32), np.zeros(0, int), np.zeros(0, bool)
    )
    for metric in (metric_of([]), metric_of([void])):
        assert all(math.isnan(score) for score in metric.scores().values())
        assert metric.intervals(np.random.default_rng(0), draws=5) == {}
    assert not recwarn.list


def test_errors_name_what_is_wrong() -> None:
    metric = metric_of([worked()], FOUR)
    found, truth = segmentations(worked(), FOUR)
    with pytest.raises(ValueError, match="the prediction is 4x8, the ground truth 8x8"):
        metric.update(Segmentation(FOUR, found.labels, ids=found.ids[:, :4]), truth)
    with pytest.raises(ValueError, match="the ground truth has 6 classes, but 4"):
        metric.update(found, Segmentation(SIX, truth.labels, ids=truth.ids))
    with pytest.raises(ValueError, match="same ones as things"):
        metric.merge(PanopticQuality(Classes(FOUR.names)))
    assert len(metric.names) == len(metric.images) == 1


def test_merged_parts_are_the_whole() -> None:
    scenes = random_set(5)
    whole, first, second = metric_of(scenes), metric_of(scenes[:7]), metric_of(scenes[7:])
    first.merge(second)
    assert first.scores() == whole.scores()
    assert len(first.names) == len(first.images) == len(scenes)


def test_every_score_is_defined() -> None:
    metric = metric_of([worked()], FOUR)
    assert set(metric.scores()) <= set(metric.DEFINITIONS)
    assert set(metric.per_class()[0]) - {"class", "ground truth", "predicted"} <= set(metric.DEFINITIONS)
    assert metric.MAIN_SCORE in metric.scores()


def test_bootstrap_intervals() -> None:
    """Half of the images are right and half are wrong: RQ of n drawn ones is binomial, σ = 1 / (2 √n)."""
    right, wrong = (np.array([[n], [n], [1 - n], [1 - n]], float) for n in (1, 0))
    metric = PanopticQuality(Classes(("thing",), things=(True,)))
    metric.images = [right, wrong] * 50
    intervals = metric.intervals(np.random.default_rng(0))
    assert intervals["PQ"] == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05), abs=0.015)
    assert "PQ stuff" not in intervals
    metric = metric_of(random_set(2))
    intervals = metric.intervals(np.random.default_rng(0), draws=100)
    assert set(intervals) == set(metric.scores())
    assert all(low <= metric.scores()[name] <= high for name, (low, high) in intervals.items())
    assert intervals == metric.intervals(np.random.default_rng(0), draws=100)
