"""Tuning: it finds what helps, says when nothing does, and judges on images that the search did not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import pixelwise
from pixelwise import tuning as module
from pixelwise.classes import Classes
from pixelwise.data.dataset import Dataset
from pixelwise.models.base import SemanticModel, SemanticOutputs
from pixelwise.postprocess.chain import Chain
from pixelwise.postprocess.crf import CRF
from pixelwise.segmentation import Segmentation
from pixelwise.tuning import tune
from pixelwise.weights.checkpoint import save

CLASSES = Classes(("ground", "nucleus"), background=0)


class Bright(SemanticModel):
    """Takes what is brighter than the image's mean for a nucleus, here and there wrongly."""

    def __init__(self, noise: float = 2.0) -> None:
        super().__init__(2)
        self.classes = CLASSES
        self.noise = noise

    def forward(self, images: Tensor) -> SemanticOutputs:
        grey = images.mean(1)
        logit = 30 * (grey - grey.mean((1, 2), keepdim=True)) - 1
        noise = torch.randn(logit.shape, generator=torch.Generator().manual_seed(0))
        return SemanticOutputs(
            torch.stack([-logit, logit], 1) + self.noise * noise[:, None] * torch.tensor([1, -1])[:, None, None]
        )


@pytest.fixture(scope="module")
def data(nuclei_sample) -> Dataset:
    """Eight images of 64x64."""
    whole = pixelwise.open_dataset(nuclei_sample, split="val")
    return replace(whole, classes=CLASSES, records=whole.records[:8])


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """All images are their upper left corners."""
    image, truth = Dataset.image, Dataset.truth

    def cut(segmentation: Segmentation) -> Segmentation:
        class_map = (segmentation.class_map()[:64, :64] > 0).to(torch.uint8)
        return Segmentation.from_class_map(class_map, CLASSES)

    monkeypatch.setattr(Dataset, "image", lambda self, i: image(self, i)[:, :64, :64].contiguous())
    monkeypatch.setattr(Dataset, "truth", lambda self, i: cut(truth(self, i)))


@pytest.mark.slow
def test_what_helps_is_kept(data, tmp_path):
    tuning = tune(Bright(), data, budget=3, areas=True, progress=False)
    assert tuning.helps
    assert tuning.after["mIoU"] > tuning.before["mIoU"] + 0.02
    low, high = tuning.gains["mIoU"]
    assert 0 < low <= tuning.after["mIoU"] - tuning.before["mIoU"] <= high
    assert len(tuning.trials) == 3
    assert len(tuning.searched) == len(tuning.judged) == 4
    assert not set(tuning.searched) & set(tuning.judged)
    assert "It helps" in tuning.table()
    again = tune(Bright(), data, budget=3, areas=True, progress=False)
    assert (again.chain, again.after) == (tuning.chain, tuning.after)
    save(pixelwise.create("unet", classes=CLASSES, width=4), tmp_path / "best.safetensors")
    assert tuning.apply(tmp_path)
    assert pixelwise.load(tmp_path).postprocess == tuning.chain


def test_the_scores_are_those_of_an_evaluation(data):
    tuning = tune(Bright(), data, budget=1, progress=False)
    judged = replace(data, records=tuple(r for r in data.records if r.name in tuning.judged))
    model = Bright()
    for chain, scores in ((Chain(), tuning.before), (tuning.chain, tuning.after)):
        model.postprocess = chain
        evaluation = pixelwise.evaluate(model, judged, boundary=2, progress=False)
        for name, value in scores.items():
            assert value == pytest.approx(evaluation.scores[name], abs=2e-3)  # kept as float16
    assert [row["IoU before"] for row in tuning.per_class] != [row["IoU after"] for row in tuning.per_class]


def test_what_harms_is_not_kept(data, tmp_path):
    model = Bright(noise=0)
    save(pixelwise.create("unet", classes=CLASSES, width=4), tmp_path / "best.safetensors")
    before = (tmp_path / "best.safetensors").read_bytes()
    tuning = tune(model, data, budget=0, progress=False)
    assert tuning.chain == Chain()
    assert tuning.before == tuning.after
    assert not tuning.helps
    assert not tuning.apply(tmp_path)
    assert (tmp_path / "best.safetensors").read_bytes() == before
    assert "Nothing that was tried" in tuning.table()


def test_no_crf_is_a_candidate_too(data, monkeypatch):
    """The ground truth itself cannot become better: whatever the CRF does, it is left out."""

    class Knowing(Bright):
        def forward(self, images: Tensor) -> SemanticOutputs:
            (i,) = [
                i for i in range(len(data)) if torch.equal(data.image(i), (images[0] * 255).round().to(torch.uint8))
            ]
            certain = torch.stack([data.truth(i).class_map() == c for c in (0, 1)]).float()
            return SemanticOutputs(20 * certain[None])

    tuning = tune(Knowing(), data, budget=2, areas=True, progress=False)
    assert tuning.chain == Chain()
    assert tuning.before["mIoU"] == 1


def test_a_chain_that_the_model_has_plays_no_part(data):
    model = Bright()
    plain = tune(model, data, budget=0, progress=False)
    model.postprocess = Chain(crf=CRF(), drop_below=10_000)
    assert tune(model, data, budget=0, progress=False).before == plain.before
    assert model.postprocess.drop_below == 10_000


def test_room_on_disk_is_limited(data, monkeypatch):
    monkeypatch.setattr(module, "MAX_STORED_BYTES", 5 * 2 * 2 * 64 * 64)
    tuning = tune(Bright(), data, budget=0, progress=False)
    assert len(tuning.searched) + len(tuning.judged) == 5
    assert len(tune(Bright(), data, budget=0, images=4, progress=False).judged) == 2


def test_too_few_images_are_refused(data):
    with pytest.raises(ValueError, match="four images or more"):
        tune(Bright(), replace(data, records=data.records[:3]), progress=False)


def test_draws_lie_in_their_ranges_and_the_last_third_near_the_best():
    best = CRF(bi_xy=20, bi_rgb=8)

    def score(chain: Chain) -> float:
        assert chain.crf is not None
        return -abs(np.log(chain.crf.bi_xy / best.bi_xy)) - abs(np.log(chain.crf.bi_rgb / best.bi_rgb))

    trials = module._try_crfs(score, 60, np.random.default_rng(0))
    assert trials[0][0].crf == CRF()
    for chain, _ in trials[1:41]:
        assert chain.crf is not None
        assert all(low <= getattr(chain.crf, name) <= high for name, (low, high) in module.CRF_RANGES.items())
    assert np.mean([value for _, value in trials[41:]]) > np.mean([value for _, value in trials[1:41]])
    assert max(value for _, value in trials[41:]) > max(value for _, value in trials[:41])
