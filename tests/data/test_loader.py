from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelwise import Classes, Sample, Segmentation
from pixelwise.data.augmentation.transforms import augmentation
from pixelwise.data.batch_plan import Plan
from pixelwise.data.class_balance import class_counts, rare_class_weights
from pixelwise.data.loader import training_batches

CLASSES = Classes(("background", "dot", "rare"), background=0)
THINGS = Classes(CLASSES.names, things=(False, True, True), background=0)


@dataclass(frozen=True)
class Images:
    """Images whose grey value is their number; image `broken` cannot be read."""

    number: int = 7
    carrier: str = "ids"
    broken: int = -1
    classes: Classes = CLASSES

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, i: int) -> Sample:
        if i == self.broken:
            raise ValueError(f"image{i}.png is truncated: save it again")
        return Sample(torch.full((3, 30 + i, 40), 10 * i + 10, dtype=torch.uint8), self.truth(i), f"image{i}")

    def truth(self, i: int) -> Segmentation:
        class_map = torch.zeros(30 + i, 40, dtype=torch.uint8)
        class_map[5:20, 5:30] = 1
        if i == 2:
            class_map[8:10, 8:10] = 2
        class_map[:2] = 255
        found = Segmentation.from_class_map(class_map, self.classes)
        if self.carrier == "ids":
            return found
        return Segmentation(self.classes, found.labels, masks=torch.stack([found.mask(n) for n in range(len(found))]))


def batches(dataset, name="light", **plan):
    return list(training_batches(dataset, augmentation(name, (16, 24)), plan=Plan(**{"workers": 0, **plan})))


def same(one, two) -> bool:
    return (
        torch.equal(one.images, two.images)
        and one.truths == two.truths
        and (one.sizes, one.names) == (two.sizes, two.names)
    )


@pytest.mark.parametrize("carrier", ["ids", "masks"])
def test_batches_are_what_the_plan_says(carrier):
    found = batches(Images(carrier=carrier), "strong", batch=3, steps=5, multiple=32)
    assert len(found) == 5
    for batch in found:
        assert batch.images.shape == (3, 3, 32, 32)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.sizes == ((16, 24),) * 3
        assert all(truth.size == (32, 32) for truth in batch.truths)
        assert all((truth.masks is None) == (carrier == "ids") for truth in batch.truths)
        assert all(truth.classes == CLASSES for truth in batch.truths)


def test_each_image_once_a_pass_in_a_new_order():
    names = [name for batch in batches(Images(), batch=3, steps=14) for name in batch.names]
    passes = [tuple(names[k : k + 7]) for k in range(0, 42, 7)]
    assert all(len(set(one)) == 7 for one in passes)
    assert len(set(passes)) > 3


def test_the_seed_decides():
    one, two, other = (batches(Images(), "strong", batch=4, steps=3, seed=seed) for seed in (1, 1, 2))
    assert all(map(same, one, two))
    assert not all(map(same, one, other))
    views = batches(Images(1), batch=4, steps=1)[0]
    assert len({truth.ids.numpy().tobytes() for truth in views.truths}) > 1


def test_a_restart_continues_exactly():
    whole = batches(Images(), "strong", batch=3, steps=8, sizes=((16, 16), (32, 24)))
    for start in (1, 5, 8):
        rest = batches(Images(), "strong", batch=3, steps=8, start=start, sizes=((16, 16), (32, 24)))
        assert len(rest) == 8 - start
        assert all(map(same, whole[start:], rest))


def test_processes_share_the_batch():
    whole = batches(Images(), "strong", batch=4, steps=3, sizes=((16, 16), (32, 24)))
    parts = [batches(Images(), "strong", batch=4, steps=3, sizes=((16, 16), (32, 24)), rank=r, world=2) for r in (0, 1)]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(batch.images, torch.cat([first.images, second.images]))
        assert batch.truths == first.truths + second.truths
        assert batch.names == first.names + second.names


@pytest.mark.parametrize("carrier", ["ids", "masks"])
def test_pasting_depends_on_seed_step_and_position_alone(carrier):
    data = Images(carrier=carrier, classes=THINGS)
    plan = {"batch": 4, "steps": 5, "sizes": ((16, 16), (32, 24))}
    whole = batches(data, "copy-paste", **plan)
    rest = batches(data, "copy-paste", **plan, start=2)
    there = batches(data, "copy-paste", **plan, workers=1)
    parts = [batches(data, "copy-paste", **plan, rank=rank, world=2) for rank in (0, 1)]
    assert all(map(same, whole, there))
    assert all(map(same, whole[2:], rest))
    for batch, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(batch.images, torch.cat([first.images, second.images]))
        assert batch.truths == first.truths + second.truths


def test_pasting_leaves_the_views_as_they_are():
    data = Images(carrier="masks", classes=THINGS)
    for batch, plain in zip(*(batches(data, name, batch=4, steps=6) for name in ("copy-paste", "lsj")), strict=True):
        assert batch.names == plain.names
        for image, truth, before, were in zip(batch.images, batch.truths, plain.images, plain.truths, strict=True):
            changed = (image != before).any(0)
            assert (
                len(truth) > len(were)
                or torch.equal(truth.masks.dense().any(0), were.masks.dense().any(0))
                or changed.any()
            )
            assert not changed[~truth.masks.dense().any(0)].any()
    assert not all(map(same, *(batches(data, name, batch=4, steps=2) for name in ("copy-paste", "lsj"))))


def test_without_objects_there_is_nothing_to_paste():
    with pytest.raises(ValueError, match="have no objects to paste, only areas"):
        batches(Images(), "paste", batch=2, steps=1)


def test_every_step_draws_a_size():
    sizes = [batch.sizes[0] for batch in batches(Images(), batch=2, steps=30, sizes=((16, 16), (32, 24)))]
    assert set(sizes) == {(16, 16), (32, 24)}


@pytest.mark.parametrize("carrier", ["ids", "masks"])
def test_workers_make_the_same_batches_and_leave_the_global_draws_alone(carrier):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    here = batches(Images(carrier=carrier), "strong", batch=3, steps=6)
    there = batches(Images(carrier=carrier), "strong", batch=3, steps=6, workers=2)
    assert all(map(same, here, there))
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_names_its_file_and_nothing_else(workers):
    with pytest.raises(ValueError, match=r"^image3\.png is truncated: save it again$"):
        batches(Images(broken=3), batch=2, steps=4, workers=workers)


def test_weights_decide_how_often_a_image_comes():
    weights = torch.tensor([0, 1, 1, 1, 1, 1, 5], dtype=torch.float64)
    names = [name for batch in batches(Images(), batch=7, steps=40, weights=weights) for name in batch.names]
    counts = np.array([names.count(f"image{k}") for k in range(7)])
    assert counts[0] == 0
    assert np.abs(counts / 280 - weights.numpy() / 10).max() < 0.02
    even = [batch.names for batch in batches(Images(), batch=7, steps=4, weights=torch.ones(7))]
    assert all(len(set(names)) == 7 for names in even)


def test_class_counts_leave_void_out():
    counts = class_counts(Images())
    assert counts.dtype == torch.int64
    assert counts.tolist() == [[40 * (28 + i) - 375, 375 - 4 * (i == 2), 4 * (i == 2)] for i in range(7)]
    assert class_counts(Images(carrier="masks"))[2, 2] == 4


def test_rare_class_weights_equal_the_formula():
    counts = torch.tensor([[90, 10, 0], [100, 0, 0], [95, 0, 5]])
    f = np.array([285, 10, 5]) / 300
    p = np.exp((1 - f) / 0.1)
    p /= p.sum()
    expected = [p[0] / 3 + p[1], p[0] / 3, p[0] / 3 + p[2]]
    found = rare_class_weights(counts)
    assert found.numpy() == pytest.approx(expected)
    assert float(found.sum()) == pytest.approx(1)
    # A class that never occurs, and an image that is all void.
    absent = rare_class_weights(torch.tensor([[5, 0], [0, 0]]))
    assert absent.tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="needs images with classes"):
        rare_class_weights(torch.zeros(3, 2, dtype=torch.int64))


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match="cannot be shared evenly by 2 processes"):
        Plan(batch=3, steps=1, world=2)
    with pytest.raises(ValueError, match="rank is 2"):
        Plan(batch=4, steps=1, world=2, rank=2)
    with pytest.raises(ValueError, match="workers is -1"):
        Plan(batch=4, steps=1, workers=-1)
    with pytest.raises(ValueError, match="no images"):
        batches(Images(0), batch=1, steps=1)
    with pytest.raises(ValueError, match="must be 7 numbers"):
        batches(Images(), batch=1, steps=1, weights=torch.ones(3))


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from test_loader import Images, Plan, augmentation, training_batches
loader = training_batches(Images(), augmentation("light", (16, 24)), plan=Plan(batch=2, steps=10**6, workers=1))
loader.multiprocessing_context = {context!r}
try:
    for k, batch in enumerate(loader):
        if k == 2:
            print(*batch.names, flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_start_either_way_and_stop_cleanly(context):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(folder=str(Path(__file__).parent), context=context)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert tuple(process.stdout.readline().split()) == batches(Images(), batch=2, steps=3)[2].names
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("stopped\n", "", 0)
    assert group_ends(process.pid)


def group_ends(group: int) -> bool:
    """Whether the last process of a group ends within ten seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
