"""Average precision against pycocotools: on a case by hand, on random objects, on real ones with crowds."""

from __future__ import annotations

import contextlib
import io
import json
import math

import numpy as np
import pytest
import torch
from faster_coco_eval import COCO as FasterCOCO
from faster_coco_eval import COCOeval_faster
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import pixelwise
from pixelwise.classes import Classes
from pixelwise.metrics import METRICS
from pixelwise.metrics.average_precision import AveragePrecision
from pixelwise.segmentation import Segmentation

CLASSES = Classes(("ground", "car", "tree", "cat"), background=0)
NAMES = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large")
NAMES += ("AR1", "AR10", "AR100", "AR small", "AR medium", "AR large")


def reference(images, kind, index=COCO, evaluator=COCOeval):
    """The evaluator after the images, (found, ground truth) each; what is read from masks is read by pycocotools."""
    classes = images[0][1].classes
    truths, results = [], []
    for image, (found, truth) in enumerate(images, 1):
        for one, out in ((truth, truths), (found, results)):
            for n, label in enumerate(one.labels.tolist()):
                if label == classes.background:
                    continue
                runs = coco.encode(np.asfortranarray(one.mask(n).numpy().astype(np.uint8)))
                box = coco.toBbox(runs).tolist()
                area = box[2] * box[3] if one is found and kind == "bbox" else int(coco.area(runs))
                runs["counts"] = runs["counts"].decode()
                entry = {"id": len(out) + 1, "image_id": image, "category_id": label, "area": area, "bbox": box}
                entry |= {"segmentation": runs, "iscrowd": int(one.crowd[n]), "score": float(one.scores[n])}
                out.append(entry)
    sizes = [{"id": k, "height": truth.size[0], "width": truth.size[1]} for k, (_, truth) in enumerate(images, 1)]
    categories = [{"id": k, "name": n} for k, n in enumerate(classes.names) if k != classes.background]
    with contextlib.redirect_stdout(io.StringIO()):
        sets = []
        for entries in (truths, results):
            one = index()
            one.dataset = {"images": sizes, "annotations": entries, "categories": categories}
            one.createIndex()
            sets.append(one)
        done = evaluator(*sets, kind)
        done.evaluate()
        done.accumulate()
        done.summarize()
    return done


def assert_equal(metric, images):
    """All twelve scores of masks and boxes, and each class."""
    rows = metric.per_class()
    for kind, theirs in (("mask", "segm"), ("box", "bbox")):
        done = reference(images, theirs)
        scores = metric.scores()
        ours = [scores[f"{kind} {name}"] for name in NAMES]
        assert np.nan_to_num(ours, nan=-1) == pytest.approx(done.stats.tolist(), abs=1e-6)
        alone = done.eval["precision"][..., 0, -1]
        for k, category in enumerate(done.params.catIds):
            wanted = alone[:, :, k].mean()
            assert np.nan_to_num(rows[category][f"{kind} AP"], nan=-1) == pytest.approx(wanted, abs=1e-6)


def counted(images, **options):
    metric = AveragePrecision(images[0][1].classes, **options)
    for k, (found, truth) in enumerate(images):
        metric.update(found, truth, f"image {k}")
    return metric


def rectangles(places, labels, scores=None, crowd=None, size=(40, 40)):
    """Rows and columns, both ends included, as in the card of the metric."""
    masks = torch.zeros(len(places), *size, dtype=torch.bool)
    for mask, (top, bottom, left, right) in zip(masks, places, strict=True):
        mask[top : bottom + 1, left : right + 1] = True
    return Segmentation(
        CLASSES,
        torch.tensor(labels, dtype=torch.int64),
        None if scores is None else torch.tensor(scores),
        masks=masks,
        crowd=None if crowd is None else torch.tensor(crowd),
    )


def by_hand():
    truth = rectangles(
        [(0, 9, 0, 9), (0, 9, 20, 29), (20, 39, 0, 39), (12, 17, 0, 9)],
        [1, 1, 1, 2],
        crowd=[False, False, True, False],
    )
    places = [(0, 9, 0, 7), (0, 9, 25, 34), (22, 31, 0, 19), (0, 9, 20, 28), (12, 17, 1, 10), (12, 17, 0, 9)]
    return rectangles(places, [1, 1, 1, 1, 2, 2], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), truth


def random_images(seed, number=12):
    """Discs, some of them overlapping, some empty; results near them or anywhere, with tied scores; crowds."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(number):
        height, width = map(int, rng.integers(30, 160, 2))
        rows, columns = np.mgrid[:height, :width]

        def disc(y, x, r, rows=rows, columns=columns):
            return torch.from_numpy((rows - y) ** 2 + (columns - x) ** 2 <= r * r)

        true = [(rng.uniform(0, height), rng.uniform(0, width), rng.uniform(-1, 70)) for _ in range(rng.integers(0, 9))]
        some = rng.integers(0, max(len(true), 1), 2 * len(true))
        near = [tuple(value + rng.normal(0, 2) for value in true[k]) for k in some]
        near += [(rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0, 40)) for _ in range(4)]
        labels = torch.from_numpy(rng.integers(1, 3, len(true)))
        truth = Segmentation(
            CLASSES,
            labels,
            masks=torch.stack([torch.zeros(height, width, dtype=torch.bool), *(disc(*one) for one in true)])[1:],
            crowd=torch.from_numpy(rng.random(len(true)) < 0.2),
        )
        found = Segmentation(
            CLASSES,
            torch.from_numpy(rng.integers(1, 4, len(near))),
            torch.from_numpy(np.round(rng.random(len(near)), 1).astype(np.float32)),
            masks=torch.stack([disc(*one) for one in near]),
        )
        images.append((found, truth))
    return images


def test_the_case_by_hand():
    metric = counted([by_hand()])
    scores = metric.scores()
    wanted = [0.734076, 0.917492, 0.917492, 0.734076, math.nan, math.nan, 0.525, 0.9, 0.9, 0.9, math.nan, math.nan]
    assert [scores[f"mask {name}"] for name in NAMES] == pytest.approx(wanted, abs=1e-6, nan_ok=True)
    ground, car, tree, cat = metric.per_class()
    assert math.isnan(ground["mask AP"]) and math.isnan(cat["mask AP"])
    assert car["mask AP"] == pytest.approx((7 * 0.834983 + 2 * 0.168317) / 10, abs=1e-6)
    assert tree["mask AP"] == pytest.approx((7 + 1.5) / 10, abs=1e-6)
    assert (car["ground truth"], car["predicted"], tree["ground truth"]) == (2, 4, 1)


@pytest.mark.parametrize("seed", range(4))
def test_random_objects(seed):
    images = random_images(seed)
    metric = counted(images)
    assert 0.05 < metric.scores()["mask AP"] < 0.95
    assert_equal(metric, images)


def test_more_results_than_count():
    rng = np.random.default_rng(0)
    places = [(int(y), int(y) + 9, int(x), int(x) + 9) for y, x in rng.integers(0, 30, (130, 2))]
    scores = rng.random(130).astype(np.float32).tolist()
    images = [(rectangles(places, [1] * 130, scores), rectangles(places[::3], [1] * 44))]
    metric = counted(images)
    assert_equal(metric, images)
    assert metric.per_class()[1]["predicted"] == 100


@pytest.mark.slow
def test_real_objects_with_crowds(trial_data, tmp_path):
    """The objects of coco128 are true, every sixth marked as a crowd; results are the same shifted, some renamed."""
    folder = trial_data("coco128")
    whole = json.loads((folder / "instances.json").read_text())
    for annotation in whole["annotations"][::6]:
        annotation["iscrowd"] = 1
    (tmp_path / "instances.json").write_text(json.dumps(whole))
    (tmp_path / "images").symlink_to(folder / "images")
    dataset = pixelwise.open_dataset(tmp_path)
    rng = np.random.default_rng(0)
    images = []
    for i in range(len(dataset)):
        truth = dataset.truth(i)
        chosen = torch.from_numpy(rng.integers(0, max(len(truth), 1), 2 * len(truth)))
        labels, masks = truth.labels[chosen], torch.zeros(len(chosen), *truth.size, dtype=torch.bool)
        for n in range(len(chosen)):
            shift = tuple(rng.integers(-4, 5, 2).tolist())
            masks[n] = truth.mask(int(chosen[n])).roll(shift, (0, 1))
            if rng.random() < 0.1:
                labels[n] = int(rng.integers(1, len(dataset.classes)))
        scores = torch.from_numpy(np.round(rng.random(len(chosen)), 2).astype(np.float32))
        images.append((Segmentation(dataset.classes, labels, scores, masks=masks), truth))
    assert sum(int(truth.crowd.sum()) for _, truth in images) > 100
    metric = counted(images)
    assert_equal(metric, images)


def test_truth_against_itself():
    truths = [truth for _, truth in random_images(5)]
    truths = [truth.select((truth.areas() > 0) & ~truth.crowd) for truth in truths]
    metric = counted([(truth, truth) for truth in truths])
    scores = metric.scores()
    assert scores["mask AP"] == scores["box AP"] == pytest.approx(1, abs=1e-12)
    low, high = metric.intervals(np.random.default_rng(0), draws=20)["mask AP"]
    assert low == high == pytest.approx(1, abs=1e-12)


def test_both_carriers_say_the_same():
    ids = torch.from_numpy(np.random.default_rng(1).integers(0, 5, (20, 30)).astype(np.int32))
    labels = torch.tensor([1, 2, 0, 1])
    one = Segmentation(CLASSES, labels, ids=ids)
    other = Segmentation(CLASSES, labels, masks=torch.stack([ids == n for n in range(1, 5)]))
    assert counted([(one, other)]).scores() == pytest.approx(counted([(other, one)]).scores(), abs=0, nan_ok=True)
    assert counted([(one, other)]).scores()["mask AP"] == pytest.approx(1)


def test_boundaries():
    truth = rectangles([(10, 59, 20, 79)], [1], size=(100, 100))
    found = rectangles([(12, 59, 20, 83)], [1], size=(100, 100))
    metric = counted([(found, truth)], boundary=0.02)
    assert metric.images[0].pairs["mask"].iou.tolist() == pytest.approx([0.902256], abs=1e-6)
    assert len(metric.images[0].pairs["boundary"].iou) == 0  # 0.428571
    assert metric.scores()["mask AP"] == pytest.approx(0.9) and metric.scores()["boundary AP"] == 0
    images = random_images(7)
    scores = counted(images, boundary=0.02).scores()
    done = reference(images, "boundary", FasterCOCO, COCOeval_faster)
    ours = [scores[f"boundary {name}"] for name in NAMES]
    assert np.nan_to_num(ours, nan=-1) == pytest.approx(list(done.stats)[:12], abs=1e-6)
    assert scores["boundary AP"] < scores["mask AP"]
    for image in images[:4]:
        width = max(1, round(0.02 * float(np.hypot(*image[1].size))))
        pixels, share = (counted([image], boundary=value).scores() for value in (width, 0.02))
        assert pixels == pytest.approx(share, nan_ok=True)


def test_parts_add_up():
    images = random_images(3)
    whole, first, second = counted(images), counted(images[:5]), counted(images[5:])
    first.merge(second)
    assert first.scores() == pytest.approx(whole.scores(), nan_ok=True)
    assert first.names[:5] == whole.names[:5] and len(first.per_image()) == len(images)
    with pytest.raises(ValueError, match="same classes"):
        first.merge(AveragePrecision(CLASSES, boundary=0.02))


def test_a_image_by_itself():
    images = random_images(2)
    for row, image in zip(counted(images).per_image(), images, strict=True):
        assert row["mask AP"] == pytest.approx(counted([image]).scores()["mask AP"], nan_ok=True)


def test_intervals_hold_the_score():
    metric = counted(random_images(1, 20))
    for name, (low, high) in metric.intervals(np.random.default_rng(0), draws=40).items():
        assert low < metric.scores()[name] < high
    one_image = counted(random_images(1, 20)[3:4])
    assert one_image.intervals(np.random.default_rng(0), draws=3) == {}


def test_nothing_to_count():
    nothing = Segmentation(CLASSES, torch.zeros(0, dtype=torch.int64), masks=torch.zeros(0, 9, 9, dtype=torch.bool))
    one = rectangles([(0, 3, 0, 3)], [1], size=(9, 9))
    assert all(math.isnan(value) for value in METRICS["instance"](CLASSES).scores().values())
    assert METRICS["instance"](CLASSES).intervals(np.random.default_rng(0)) == {}
    assert counted([(nothing, one)]).scores()["mask AP"] == 0
    assert all(math.isnan(value) for value in counted([(one, nothing)]).scores().values())
    void = Segmentation(CLASSES, torch.zeros(0, dtype=torch.int64), ids=torch.zeros(9, 9, dtype=torch.int32))
    assert counted([(void, one)]).scores()["mask AR100"] == 0


def test_every_score_is_defined():
    metric = counted([by_hand()], boundary=0.02)
    defined = metric.DEFINITIONS
    for name in metric.scores():
        assert name in defined or name.split()[0] in defined
    assert metric.MAIN_SCORE in metric.scores() and metric.MAIN_SCORE in defined


def test_what_cannot_be_counted():
    one, other = rectangles([], [], size=(9, 9)), rectangles([], [], size=(9, 8))
    with pytest.raises(ValueError, match="size of the original image"):
        AveragePrecision(CLASSES).update(one, other)
    with pytest.raises(ValueError, match="2 are counted"):
        AveragePrecision(Classes.numbered(2)).update(one, one)
    with pytest.raises(ValueError, match="share of the diagonal"):
        AveragePrecision(CLASSES, boundary=0)


def many_objects(number: int):
    """So many objects of one class in one image, as ground truth and as predictions."""
    places = [(2 * (k // 20), 2 * (k // 20), 2 * (k % 20), 2 * (k % 20)) for k in range(number)]
    truth = rectangles(places, [1] * number)
    scores = [1 - k / 1000 for k in range(number)]
    return rectangles(places, [1] * number, scores), truth


def test_objects_beyond_the_hundredth_count_in_scores_of_their_own():
    image = many_objects(180)
    usual, uncut = counted([image]), counted([image], max_detections=200)
    assert usual.scores()["mask AP"] < 0.6
    # COCO's scores and intervals stay what they are, to the last bit.
    scores = uncut.scores()
    for name, value in usual.scores().items():
        np.testing.assert_equal(scores[name], value)
    rows = uncut.per_class()[1], usual.per_class()[1]
    assert rows[0]["mask AP"] == rows[1]["mask AP"]
    for kind in ("mask", "box"):
        assert scores[f"{kind} AP (200 detections)"] == pytest.approx(1)
        assert scores[f"{kind} AR (200 detections)"] == 1


def test_a_limit_of_100_or_less_adds_no_score():
    assert counted([many_objects(5)], max_detections=50).scores().keys() == counted([many_objects(5)]).scores().keys()


def test_more_predictions_leave_coco_scores_of_random_images_alone():
    images = random_images(3)
    usual, uncut = counted(images), counted(images, max_detections=300)
    scores = uncut.scores()
    for name, value in usual.scores().items():
        np.testing.assert_equal(scores[name], value)
    intervals = [metric.intervals(np.random.default_rng(0), draws=20) for metric in (usual, uncut)]
    np.testing.assert_equal(*intervals)
