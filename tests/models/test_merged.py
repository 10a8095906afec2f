"""A model of two: its results are those of the two, merged; it is saved whole and loaded like any other."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import pixelwise
from pixelwise.classes import Classes
from pixelwise.inference.predictor import Predictor
from pixelwise.masks import Masks
from pixelwise.models import MODELS
from pixelwise.models.base import InstanceModel
from pixelwise.models.merged import MergedModel
from pixelwise.ops.resize import Resizing, resize
from pixelwise.postprocess.chain import Chain
from pixelwise.postprocess.panoptic_merging import MergeRules
from pixelwise.sample import Sample, collate
from pixelwise.segmentation import Segmentation
from pixelwise.weights.checkpoint import save
from pixelwise.weights.tensor_files import read_safetensors

STUFF = Classes(("background", "sky", "road", "car"), ((0, 0, 0), (0, 0, 9), (9, 0, 9), (9, 0, 0)), (), 0)
OBJECTS = Classes(("background", "car", "person"), things=(False, True, True), background=0)


class QuarterOutputs(NamedTuple):
    logits: Tensor


class Quarters(InstanceModel):
    """Objects are what looks like a class within a quarter of the image; they may overlap."""

    stride = 8

    def __init__(self, num_classes: int, width: int = 4) -> None:
        super().__init__(num_classes)
        self.body = nn.Conv2d(3, width, 7, padding=3)
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, images: Tensor) -> QuarterOutputs:
        return QuarterOutputs(self.head(self.body(self.normalize(images)).relu()))

    def decode(self, outputs: QuarterOutputs, sizes) -> list[Segmentation]:
        found = []
        for logits, size in zip(outputs.logits, sizes, strict=True):
            h, w = self.resizing.size(*size)
            maps = resize(logits[None, 1:, :h, :w], size)[0]
            maps = ((maps - maps.mean((1, 2), keepdim=True)) / maps.std((1, 2), keepdim=True)).sigmoid()
            corner = torch.zeros(4, 1, *size)
            for k in range(4):
                corner[k, 0, k // 2 * size[0] // 2 :][: size[0] // 2 + 3, k % 2 * size[1] // 2 :][
                    :, : size[1] // 2 + 5
                ] = 1
            soft = (maps * corner).flatten(0, 1)
            masks = Masks.from_dense(soft > 0.5)
            scores = (soft * (soft > 0.5)).sum((1, 2)) / masks.areas().clamp(min=1)
            labels = torch.arange(1, len(self.classes)).repeat(4)
            found.append(Segmentation(self.classes, labels, scores.float(), masks=masks).select(masks.areas() > 0))
        return found

    def loss(self, outputs, truths):
        raise NotImplementedError("it is only used for prediction")


@pytest.fixture(autouse=True)
def quarters(monkeypatch):
    monkeypatch.setitem(MODELS, "quarters", Quarters)


@pytest.fixture
def images(nuclei_sample):
    paths = sorted(path for path in (nuclei_sample / "images").iterdir())[:3]
    return [pixelwise.read_image(path)[:, : 90 + 20 * k, : 130 - 11 * k] for k, path in enumerate(paths)]


@pytest.fixture
def two(images):
    torch.manual_seed(3)
    semantic = pixelwise.create("unet_padded", classes=STUFF, width=4).eval()
    with torch.no_grad():
        logits = semantic(images[0][None, :, :64, :64] / 255).logits
        semantic.head.bias -= logits.mean((0, 2, 3))  # so that every class wins somewhere
    return semantic, pixelwise.create("quarters", classes=OBJECTS).eval()


RULES = MergeRules(score=0.505, stuff_area=50)


@pytest.mark.parametrize("sides", [(None, None), (64, None), (None, 80), (50, 120)])
def test_the_result_is_that_of_merging_the_results_of_the_two(two, images, sides):
    semantic, instance = two
    semantic.resizing, instance.resizing = (Resizing(short_side=side) for side in sides)
    model = pixelwise.merge(semantic, instance, RULES)
    kinds = set()
    for image in images:
        found = pixelwise.predict(model, image)
        objects = pixelwise.predict(instance, image)
        assert found == RULES(pixelwise.predict(semantic, image), objects)
        assert found.size == image.shape[1:]
        kinds |= {found.classes.things[label] for label in found.labels.tolist()}
        assert found.ids is not None and len(found) < len(objects) + 3
    assert kinds == {True, False}, "the images show nothing of one kind: the test has lost its sense"


def test_each_of_the_two_keeps_its_postprocessing_unless_another_is_given(two, images):
    semantic, instance = two
    plain = pixelwise.predict(pixelwise.merge(semantic, instance, RULES), images[0])
    semantic.postprocess, instance.postprocess = Chain(smooth=2.0), Chain(drop_below=300)
    model = pixelwise.merge(semantic, instance, RULES)
    own = pixelwise.predict(model, images[0])
    assert own == RULES(pixelwise.predict(semantic, images[0]), pixelwise.predict(instance, images[0]))
    assert own != plain
    assert pixelwise.predict(model, images[0], postprocess=Chain()) == plain
    crf = Chain(crf=pixelwise.CRF(steps=1), smooth=2.0)
    both = pixelwise.predict(model, images[0], postprocess=crf)
    without = pixelwise.predict(instance, images[0], postprocess=Chain(smooth=2.0))
    assert both == RULES(pixelwise.predict(semantic, images[0], postprocess=crf), without)


def test_flips_are_for_the_semantic_one(two, images):
    semantic, instance = two
    model = pixelwise.merge(semantic, instance, RULES)
    wanted = RULES(pixelwise.predict(semantic, images[0], flip=True), pixelwise.predict(instance, images[0]))
    assert Predictor(model, flip=True)(images[0]) == wanted


@pytest.mark.parametrize("mode", [True, False])
def test_saved_and_loaded_it_says_the_same(two, images, tmp_path, mode):
    semantic, instance = two
    semantic.resizing, instance.resizing = Resizing(short_side=64), Resizing(long_side=100)
    instance.postprocess = Chain(drop_below=9)
    save(semantic, tmp_path / "semantic.safetensors", {"recipe": {"epochs": 3}})
    semantic = pixelwise.load(tmp_path / "semantic.safetensors")
    model = pixelwise.merge(semantic, instance, RULES).train(mode)
    save(model, tmp_path / "merged.safetensors", {"note": "mine"})
    loaded = pixelwise.load(tmp_path / "merged.safetensors")
    assert isinstance(loaded, MergedModel) and not any(module.training for module in loaded.modules())
    assert (loaded.merging, loaded.classes) == (RULES, model.classes)
    assert (loaded.semantic.resizing, loaded.instance.resizing) == (semantic.resizing, instance.resizing)
    assert loaded.record["note"] == "mine"
    assert loaded.semantic.record["recipe"] == {"epochs": 3}
    assert loaded.instance.postprocess == Chain(drop_below=9)
    for image in images:
        assert pixelwise.predict(loaded, image) == pixelwise.predict(model, image)
    save(loaded, tmp_path / "again.safetensors", {"note": "mine"})
    first, again = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("merged", "again"))
    assert first == again


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: record["parts"].pop("instance"), "instance"),
        (lambda record: record["parts"].update(third=record["parts"]["semantic"]), "third"),
        (lambda record: record["parts"].update(instance=record["parts"]["semantic"]), "for semantic segmentation"),
        (lambda record: record.update(parts=[1]), "does not fit"),
        (lambda record: record["arguments"].pop("merging"), "merging"),
        (lambda record: record["arguments"]["merging"].update(scor=1), "score"),
        (lambda record: record["classes"]["names"].__setitem__(1, "heaven"), "heaven"),
    ],
)
def test_a_record_that_cannot_be_is_refused(two, tmp_path, change, words):
    from safetensors.torch import save_file

    save(pixelwise.merge(*two), tmp_path / "merged.safetensors")
    tensors, metadata = read_safetensors(tmp_path / "merged.safetensors")
    record = json.loads(metadata["pixelwise"])
    change(record)
    save_file(tensors, tmp_path / "odd.safetensors", {"pixelwise": json.dumps(record)})
    with pytest.raises(ValueError, match=words):
        pixelwise.load(tmp_path / "odd.safetensors")


def test_forward_and_decode_give_what_predict_gives(two, images):
    model = pixelwise.merge(*two, RULES)
    batch = collate([Sample(image) for image in images[:1]], model.stride)
    with torch.no_grad():
        assert model.decode(model(batch.images), batch.sizes) == [pixelwise.predict(model, images[0])]


def test_a_batch_of_mixed_sizes_comes_back_in_the_sizes_it_had(two, images):
    semantic, instance = two
    semantic.resizing = Resizing(short_side=64)
    model = pixelwise.merge(semantic, instance, RULES)
    batch = collate([Sample(image) for image in images], model.stride)
    with torch.no_grad():
        results = model.decode(model(batch.images), batch.sizes)
    assert [result.size for result in results] == [image.shape[1:] for image in images]
    for result in results:
        assert sorted(result.panoptic_map().unique().tolist()) in (
            list(range(len(result) + 1)),
            list(range(1, len(result) + 1)),
        )


def test_it_is_not_trained(two):
    model = pixelwise.merge(*two)
    with pytest.raises(TypeError, match="apart"):
        model.loss(None, [])


def test_the_two_must_be_a_semantic_and_an_instance_model(two):
    semantic, instance = two
    with pytest.raises(TypeError, match="the semantic model of the two is quarters, for instance segmentation"):
        pixelwise.merge(instance, semantic)
    with pytest.raises(TypeError, match="the instance model of the two is no model$"):
        pixelwise.merge(semantic, "mask_rcnn.safetensors")
    with pytest.raises(ValueError, match="detectron2"):
        pixelwise.merge(semantic, instance, "detectron")
    assert pixelwise.merge(semantic, instance, "detectron2").merging == MergeRules(stuff_area=4096)
    assert pixelwise.merge(semantic, instance).merging == MergeRules()


def test_predicting_switches_the_heads_of_both_models_off(two):
    two[1].auxiliary_heads = False
    with pixelwise.merge(*two).predicting():
        assert not two[0].auxiliary_heads and not two[1].auxiliary_heads
    assert two[0].auxiliary_heads and not two[1].auxiliary_heads, "as they were"


@pytest.mark.slow
def test_a_summary_counts_both(two):
    summary = pixelwise.summarize(pixelwise.merge(*two), (64, 64))
    separate = [pixelwise.summarize(model, (64, 64)) for model in two]
    assert summary.parameters == sum(one.parameters for one in separate)
    assert summary.multiply_adds == sum(one.multiply_adds for one in separate)
