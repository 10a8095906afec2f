"""The chain: what it does to results of each kind, how it is kept, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pixelwise
from pixelwise.classes import Classes
from pixelwise.images.rows import InMemory
from pixelwise.inference.predictor import Predictor, predict
from pixelwise.models.base import SemanticModel, SemanticOutputs
from pixelwise.postprocess import chain as module
from pixelwise.postprocess.chain import Chain
from pixelwise.postprocess.crf import CRF
from pixelwise.segmentation import Segmentation
from pixelwise.weights.checkpoint import save, set_postprocess

CLASSES = Classes(("ground", "cell"), background=0)
FULL = Chain(crf=CRF(bi_xy=50), smooth=0.5, open=1, close=2, fill_holes=3, merge_below=4, drop_below=5, keep_largest=6)


@pytest.fixture(scope="module")
def image(nuclei_sample) -> torch.Tensor:
    return pixelwise.read_image(min((nuclei_sample / "images").iterdir()))[:, :96, :128].contiguous()


class Noisy(SemanticModel):
    """One convolution that nobody trained."""

    def __init__(self) -> None:
        super().__init__(3)
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 3, 5, padding=2)

    def forward(self, images: Tensor) -> SemanticOutputs:
        maps = self.convolution(images)
        return SemanticOutputs(20 * (maps - maps.mean((2, 3), keepdim=True)))


def test_nothing_is_done_unless_asked():
    found = Segmentation.from_class_map(torch.eye(8, dtype=torch.uint8), CLASSES)
    probabilities = torch.rand(2, 8, 8)
    assert not Chain()
    assert Chain().clean(found) is found
    assert Chain().refine(probabilities, torch.zeros(3, 8, 8, dtype=torch.uint8)) is probabilities
    assert Chain(crf=CRF()).clean(found) is found
    assert Chain(open=1) and Chain(crf=CRF())


def test_a_class_map_is_cleaned_as_a_whole():
    class_map = torch.zeros(20, 20, dtype=torch.uint8)
    class_map[2:10, 2:10] = 1
    class_map[5, 5] = 0  # a hole
    class_map[15, 15] = 1  # a speck
    class_map[19, 19] = 255
    found = Segmentation.from_class_map(class_map, CLASSES)
    found = Segmentation(CLASSES, found.labels, torch.tensor([0.75, 0.5]), ids=found.ids)
    expected = class_map.clone()
    expected[5, 5], expected[15, 15] = 1, 0
    cleaned = Chain(fill_holes=4, drop_below=4).clean(found)
    assert torch.equal(cleaned.class_map(), expected)
    assert cleaned.scores.tolist() == [0.75, 0.5]
    assert torch.equal(found.class_map(), class_map)


def test_a_class_that_goes_has_no_segment_and_one_that_comes_no_score():
    class_map = torch.ones(6, 6, dtype=torch.uint8)
    found = Segmentation.from_class_map(class_map, CLASSES)
    dropped = Chain(drop_below=100).clean(found)
    assert dropped.labels.tolist() == [0]
    assert dropped.scores.tolist() == [0]


def test_each_instance_is_cleaned_by_itself_and_empty_ones_are_dropped():
    masks = torch.zeros(4, 30, 30, dtype=torch.bool)
    masks[0, 0:9, 0:9] = True  # in a corner: the border wears nothing away
    masks[0, 4, 4] = False
    masks[1, 5:15, 5:15] = True  # overlaps the first
    masks[1, 25, 25] = True
    masks[2, 20, 3:9] = True  # a line
    masks[3, 20:26, 14:20] = True
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    found = Segmentation(CLASSES, torch.tensor([1, 1, 1, 1]), scores, masks=masks)
    cleaned = Chain(open=1, fill_holes=1, keep_largest=1).clean(found)
    assert cleaned.scores.tolist() == scores[[0, 1, 3]].tolist()
    assert cleaned.masks is not None
    assert cleaned.masks[0][:8, :8].all()
    assert cleaned.areas().tolist() == [81 - 1, 100 - 4, 36 - 4]  # a disk of radius 1 leaves out corners
    assert found.masks is not None and found.masks[2].any()


def test_windows_around_instances_change_nothing():
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(np.stack([np.kron(rng.random((10, 12)) < 0.2, np.ones((6, 6), bool)) for _ in range(6)]))
    masks[:, :20] = False
    masks[:, :, 50:] = False
    chain = Chain(smooth=1.5, open=3, close=4, fill_holes=9, drop_below=20)
    cleaned = chain.clean(Segmentation(CLASSES, torch.ones(6, dtype=torch.int64), masks=masks)).masks
    whole = np.stack([chain.clean_mask(mask) for mask in masks.numpy()])
    assert cleaned is not None
    assert np.array_equal(cleaned.dense().numpy(), whole[whole.any((1, 2))])


def test_parts_of_one_object_are_united():
    masks = torch.zeros(2, 10, 10, dtype=torch.bool)
    masks[0, 2:8, 2:6] = True
    masks[1, 4, 6:8] = True
    found = Segmentation(CLASSES, torch.tensor([1, 1]), torch.tensor([0.4, 0.9]), masks=masks)
    united = Chain(merge_below=3).clean(found)
    assert united.masks is not None and torch.equal(united.masks[0], masks.any(0))
    assert united.scores.tolist() == pytest.approx([0.4])


def test_panoptic_maps_are_refused():
    ids = torch.tensor([[1, 2]], dtype=torch.int32)
    with pytest.raises(ValueError, match="not panoptic maps"):
        Chain(open=1).clean(Segmentation(CLASSES, torch.tensor([1, 1]), ids=ids))


def test_it_is_written_and_read_back():
    assert Chain.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL
    assert Chain().to_dict() == {}
    assert Chain.from_dict({}) == Chain()


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ({"opne": 1}, "no step 'opne': did you mean 'open'"),
        ({"open": -1}, "open is -1"),
        ({"open": 1.5}, "a whole number"),
        ({"smooth": float("nan")}, "smooth is nan"),
        ({"close": True}, "close is True"),
        ({"crf": {"bi_xyz": 3}}, "did you mean 'bi_xy'"),
    ],
)
def test_what_makes_no_sense_is_refused(record, error):
    with pytest.raises(ValueError, match=error):
        Chain.from_dict(record)


def test_a_crf_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"CRF\.parse"):
        Chain(crf="deeplabv2-voc")  # type: ignore[arg-type]


def test_it_is_part_of_a_checkpoint(tmp_path):
    model = pixelwise.create("unet", classes=CLASSES, width=4)
    model.postprocess = FULL
    save(model, tmp_path / "best.safetensors", {"scores": {"mIoU": 0.5}})
    assert pixelwise.load(tmp_path).postprocess == FULL
    set_postprocess(tmp_path, Chain(open=2))
    loaded = pixelwise.load(tmp_path)
    assert loaded.postprocess == Chain(open=2)
    assert loaded.record["scores"] == {"mIoU": 0.5}
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    model.postprocess = Chain()
    save(model, tmp_path / "plain.safetensors")
    assert pixelwise.load(tmp_path / "plain.safetensors").postprocess == Chain()


def test_predicting_refines_and_cleans(image):
    model = Noisy()
    plain = Predictor(model, postprocess=Chain())
    crf, cleaning = CRF(bi_w=1, pos_w=1, steps=1), Chain(open=2, merge_below=50)
    refined = crf(plain.probabilities(image), image)
    model.postprocess = Chain(crf=crf, open=2, merge_below=50)
    found = predict(model, image)
    assert torch.allclose(Predictor(model).probabilities(image), refined, atol=1e-6)
    best = Predictor(model, postprocess=Chain(crf=crf))(image)
    assert torch.equal(best.class_map(), refined.argmax(0).to(torch.uint8))
    for n, label in enumerate(best.labels.tolist()):
        assert best.scores[n] == pytest.approx(float(refined[label][best.mask(n)].mean()), abs=1e-5)
    assert found == cleaning.clean(best)
    assert found != best
    assert predict(model, image, postprocess=Chain()) == plain(image)


def test_large_images_are_refused_before_the_model_works(image, monkeypatch):
    model = Noisy()
    monkeypatch.setattr(module, "MAX_CRF_BYTES", 128 * 96 * 775 - 1)
    model.forward = None  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"image is 128x96: a CRF over 3 classes .* postprocess=Chain"):
        Predictor(model, postprocess=Chain(crf=CRF()))(image)
    with pytest.raises(ValueError, match=r"too large to be held whole, which postprocessing \(open\) needs"):
        next(Predictor(model, postprocess=Chain(open=1)).class_maps(InMemory(image)))


def test_a_crf_needs_probabilities():
    model = pixelwise.create("yolact", num_classes=2, backbone="resnet18")
    with pytest.raises(TypeError, match="the CRF need class probabilities"):
        Predictor(model, postprocess=Chain(crf=CRF()))
