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
def test_what_helps_is_found_and_kept(data, tmp_path):
    found = tune(Bright(), data, budget=3, areas=True, progress=False)
    assert found.helps
    assert found.after["mIoU"] > found.before["mIoU"] + 0.02
    low, high = found.gains["mIoU"]
    assert 0 < low <= found.after["mIoU"] - found.before["mIoU"] <= high
    assert len(found.trials) == 3
    assert len(found.searched) == len(found.judged) == 4
    assert not set(found.searched) & set(found.judged)
    assert "It helps" in found.table()
    again = tune(Bright(), data, budget=3, areas=True, progress=False)
    assert (again.chain, again.after) == (found.chain, found.after)
    save(pixelwise.create("unet", classes=CLASSES, width=4), tmp_path / "best.safetensors")
    assert found.apply(tmp_path)
    assert pixelwise.load(tmp_path).postprocess == found.chain


def test_the_scores_are_those_of_an_evaluation(data):
    found = tune(Bright(), data, budget=1, progress=False)
    judged = replace(data, records=tuple(r for r in data.records if r.name in found.judged))
    model = Bright()
    for chain, scores in ((Chain(), found.before), (found.chain, found.after)):
        model.postprocess = chain
        evaluation = pixelwise.evaluate(model, judged, boundary=2, progress=False)
        for name, value in scores.items():
            assert value == pytest.approx(evaluation.scores[name], abs=2e-3)  # kept as float16
    assert [row["IoU before"] for row in found.per_class] != [row["IoU after"] for row in found.per_class]


def test_what_harms_is_not_kept(data, tmp_path):
    model = Bright(noise=0)
    save(pixelwise.create("unet", classes=CLASSES, width=4), tmp_path / "best.safetensors")
    before = (tmp_path / "best.safetensors").read_bytes()
    found = tune(model, data, budget=0, progress=False)
    assert found.chain == Chain()
    assert found.before == found.after
    assert not found.helps
    assert not found.apply(tmp_path)
    assert (tmp_path / "best.safetensors").read_bytes() == before
    assert "Nothing that was tried" in found.table()


def test_no_crf_is_a_candidate_too(data, monkeypatch):
    """Truth itself cannot become better, so that whatever the CRF does, it is not taken."""

    class Knowing(Bright):
        def forward(self, images: Tensor) -> SemanticOutputs:
            (i,) = [
                i for i in range(len(data)) if torch.equal(data.image(i), (images[0] * 255).round().to(torch.uint8))
            ]
            sure = torch.stack([data.truth(i).class_map() == c for c in (0, 1)]).float()
            return SemanticOutputs(20 * sure[None])

    found = tune(Knowing(), data, budget=2, areas=True, progress=False)
    assert found.chain == Chain()
    assert found.before["mIoU"] == 1


def test_a_chain_that_the_model_has_plays_no_part(data):
    model = Bright()
    plain = tune(model, data, budget=0, progress=False)
    model.postprocess = Chain(crf=CRF(), drop_below=10_000)
    assert tune(model, data, budget=0, progress=False).before == plain.before
    assert model.postprocess.drop_below == 10_000


def test_room_on_disk_is_limited(data, monkeypatch):
    monkeypatch.setattr(module, "STORE", 5 * 2 * 2 * 64 * 64)
    found = tune(Bright(), data, budget=0, progress=False)
    assert len(found.searched) + len(found.judged) == 5
    assert len(tune(Bright(), data, budget=0, images=4, progress=False).judged) == 2


def test_too_few_images_are_refused(data):
    with pytest.raises(ValueError, match="four images or more"):
        tune(Bright(), replace(data, records=data.records[:3]), progress=False)


def test_draws_lie_in_their_ranges_and_the_last_third_near_the_best():
    wanted = CRF(bi_xy=20, bi_rgb=8)

    def score(chain: Chain) -> float:
        assert chain.crf is not None
        return -abs(np.log(chain.crf.bi_xy / wanted.bi_xy)) - abs(np.log(chain.crf.bi_rgb / wanted.bi_rgb))

    trials = module._search(score, 60, np.random.default_rng(0))
    assert trials[0][0].crf == CRF()
    for chain, _ in trials[1:41]:
        assert chain.crf is not None
        assert all(low <= getattr(chain.crf, name) <= high for name, (low, high) in module.RANGES.items())
    assert np.mean([value for _, value in trials[41:]]) > np.mean([value for _, value in trials[1:41]])
    assert max(value for _, value in trials[41:]) > max(value for _, value in trials[:41])
