"""What every model promises: each name in MODELS goes through all of this, so that the next method gets it for free."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from cases import CASES, make
from filling import fill
from torch.utils._pytree import tree_leaves

import pixelwise
from pixelwise.classes import VOID, Classes
from pixelwise.masks import Masks
from pixelwise.models import MODELS
from pixelwise.models.base import Model
from pixelwise.ops.resize import Resizing, resize
from pixelwise.postprocess.chain import Chain
from pixelwise.sample import Batch, Sample, collate
from pixelwise.segmentation import Segmentation
from pixelwise.weights.checkpoint import save

pytestmark = pytest.mark.slow
THREE = Classes.numbered(3)
FOUND_BY_SIZE = {"yolact", "solo", "decoupled_solo", "solov2"}
"""Methods in which each level of the pyramid looks for objects of a certain size: a scene must have all sizes."""

ONLY_TRAINED = {"yolact": {"semantic"}}
"""Modules that only training needs, besides those called `auxiliary`."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small networks lose more by threads that wait for each other than they win."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=CASES)
def model(request) -> Model:
    torch.manual_seed(0)
    return make(request.param)


def sample(height: int, width: int, seed: int = 0, truth: torch.Tensor | None = None) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
    if truth is None:
        truth = torch.randint(0, 4, (height, width), dtype=torch.uint8, generator=generator)
        truth[truth == 3] = VOID
    return Sample(image, Segmentation.from_class_map(truth, THREE))


def run(model: Model, samples: list[Sample]):
    """The outputs as `predict` makes them, and the batch."""
    batch = collate(samples, model.stride)
    with torch.no_grad():
        return model.eval()(batch.images), batch


def truths(model: Model, batch: Batch) -> list[Segmentation]:
    """What is true as the task has it: for methods that find objects, all of a class is one object."""
    if model.task != "instance":
        return list(batch.truths)
    things = [truth.select(truth.labels > 0) for truth in batch.truths]
    return [Segmentation(truth.classes, truth.labels, masks=truth.as_masks()) for truth in things]


def test_every_model_is_here():
    assert {name for name, _ in CASES.values()} == set(MODELS)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (97, 41)])
def test_any_size_in_the_same_size_out(model, size):
    outputs, _ = run(model, [sample(*size)])
    (found,) = model.decode(outputs, [size])
    assert isinstance(found, Segmentation)
    assert found.size == size
    assert found.classes == model.classes
    assert all(math.isfinite(score) for score in found.scores.tolist())


@pytest.mark.parametrize("size", [(1, 1), (33, 50)])
def test_forward_takes_images_that_nobody_padded(model, size):
    images = sample(*size).image[None] / 255
    with torch.no_grad():
        outputs = model.eval()(images)
    assert model.decode(outputs, [size])[0].size == size


def test_a_batch_of_mixed_sizes_comes_back_in_the_sizes_it_had(model):
    sizes = [(40, 33), (21, 64), (1, 1)]
    outputs, batch = run(model, [sample(*size, seed=k) for k, size in enumerate(sizes)])
    assert [found.size for found in model.decode(outputs, batch.sizes)] == sizes


def test_resizing_is_undone(model):
    size = (60, 90)
    model.resizing = Resizing(short_side=32)
    try:
        small = resize(sample(*size).image[None] / 255, model.resizing.size(*size))
        assert small.shape[-2:] == (32, 48)
        with torch.no_grad():
            outputs = model.eval()(small)
        assert model.decode(outputs, [size])[0].size == size
    finally:
        model.resizing = Resizing()


def test_the_type_does_not_depend_on_the_mode(model):
    batch = collate([sample(32, 32), sample(32, 32, seed=1)], model.stride)
    kinds = []
    for mode in (True, False):
        outputs = model.train(mode)(batch.images)
        parts = model.loss(outputs, truths(model, batch))
        kinds.append((type(outputs), [type(value) for value in outputs], sorted(parts)))
    assert kinds[0] == kinds[1]


def scene(seed: int) -> Sample:
    """Separate objects from 12 to 450 pixels, one for each level on which a method looks for objects of that size."""
    masks = torch.zeros(6, 512, 512, dtype=torch.bool)
    for mask, (start, side) in zip(
        masks, ((5, 12), (30, 26), (70, 60), (140, 120), (100, 260), (40, 450)), strict=True
    ):
        mask[start : start + side, start : start + side] = True
    labels = torch.tensor([1, 2, 1, 2, 1, 2])
    return Sample(sample(512, 512, seed).image, Segmentation(THREE, labels, masks=Masks.from_dense(masks)))


def test_a_step_of_training_reaches_every_parameter(model):
    """Every parameter has a gradient other than zero, with weights that no rule of initialisation has set to zero."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fill(model)
    by_size = model.architecture in FOUND_BY_SIZE
    batches = [[scene(0)]] if by_size else [[sample(64, 64, 0), sample(64, 64, 1)], [sample(64, 64, 2)] * 2]
    largest = dict.fromkeys(dict(model.named_parameters()), 0.0)
    try:
        for samples in batches:
            batch = collate(samples, model.stride)
            wanted = list(batch.truths) if by_size else truths(model, batch)
            model.train().zero_grad()
            parts = model.loss(model(batch.images), wanted)
            assert all(part.ndim == 0 and part.isfinite() for part in parts.values())
            torch.stack(list(parts.values())).sum().backward()
            for name, parameter in model.named_parameters():
                assert parameter.grad is not None, f"{name} has no gradient"
                assert parameter.grad.isfinite().all(), name
                largest[name] = max(largest[name], float(parameter.grad.abs().max()))
    finally:
        model.load_state_dict(before)
        model.zero_grad()
    untouched = [name for name, value in largest.items() if value == 0]
    assert not untouched, f"training changes nothing in {untouched}"


@pytest.mark.parametrize("value", [0, VOID], ids=["background", "void"])
def test_an_image_with_nothing_in_it(model, value):
    empty = torch.full((32, 32), value, dtype=torch.uint8)
    batch = collate([sample(32, 32, k, empty) for k in range(2)], model.stride)
    model.train().zero_grad()
    parts = model.loss(model(batch.images), truths(model, batch))
    total = torch.stack(list(parts.values())).sum()
    total.backward()
    assert total.isfinite()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())


def test_saved_and_loaded_it_says_the_same(model, tmp_path):
    model.classes = Classes(("ground", "tree", "house"), things=(False, True, True), background=0)
    model.resizing = Resizing(long_side=512)
    try:
        save(model, tmp_path / "model.safetensors", {"recipe": {"epochs": 3}})
        loaded = pixelwise.load(tmp_path / "model.safetensors")
        outputs, _ = run(model, [sample(50, 70)])
        again, _ = run(loaded, [sample(50, 70)])
        assert type(loaded) is type(model)
        assert (loaded.classes, loaded.resizing) == (model.classes, model.resizing)
        assert loaded.record["recipe"] == {"epochs": 3}
        assert model.decode(outputs, [(50, 70)]) == loaded.decode(again, [(50, 70)])
    finally:
        model.classes, model.resizing = THREE, Resizing()


def test_the_arguments_of_a_model_are_plain_json(model):
    """What shapes a network, its anchors, grids and targets is among them, so that a checkpoint makes it again."""
    plain = json.loads(json.dumps(model.arguments))
    again = pixelwise.create(model.architecture, classes=model.classes, **plain)
    assert json.loads(json.dumps(again.arguments)) == plain
    before, after = state_of(model), state_of(again)
    assert before.keys() == after.keys()
    for name, value in before.items():
        if isinstance(value, torch.Tensor):
            assert value.shape == after[name].shape, name
        elif name != ".classes" and not name.endswith(".training"):
            assert value == after[name], name


def state_of(model: Model) -> dict[str, object]:
    """The tensors of a model, and every plain attribute of the modules in it."""
    state: dict[str, object] = {name: value.clone() for name, value in model.state_dict().items()}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if isinstance(value, bool | int | float | str | tuple | Resizing | Chain | Classes):
                state[f"{name}.{key}"] = value
    return state


def assert_same_state(before: dict[str, object], after: dict[str, object]) -> None:
    assert before.keys() == after.keys()
    for name, value in before.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, after[name]), name
        else:
            assert value == after[name], name


@pytest.mark.parametrize("heads", [True, False])
def test_predicting_leaves_the_model_as_it_was(model, heads):
    model.train()
    model.auxiliary_heads = heads
    next(iter(model.children())).eval()  # a part that is not trained stays so
    before = state_of(model)
    try:
        pixelwise.predict(model, sample(40, 56).image, device="cpu")
        assert_same_state(before, state_of(model))
    finally:
        model.auxiliary_heads = True


def test_two_threads_may_predict_at_once(model):
    model.train()
    images = [sample(40, 56, seed=k).image for k in range(4)]
    predictor = pixelwise.Predictor(model, device="cpu")
    one_by_one = [predictor(image) for image in images]
    before = state_of(model)
    with ThreadPoolExecutor(2) as threads:
        at_once = list(threads.map(predictor, images))
    assert at_once == one_by_one
    assert_same_state(before, state_of(model))


def test_no_head_that_only_training_needs_runs_in_a_prediction(model):
    """What is run with the heads switched off decodes to the same; nothing that the loss alone reads is computed."""
    image = sample(40, 56).image
    ran: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: ran.add(name)) for name, module in model.named_modules()
    ]
    try:
        pixelwise.predict(model, image, device="cpu")
    finally:
        for hook in hooks:
            hook.remove()
    only_trained = ONLY_TRAINED.get(model.architecture, set()) | {"auxiliary"}
    heads = {name for name in ran if name.split(".")[0] in only_trained}
    assert not heads, f"these heads are only trained, but they ran: {sorted(heads)}"


def test_export(model):
    images = sample(32, 64).image[None] / 255
    program = torch.export.export(model.eval(), (images,))
    with torch.no_grad():
        for found, wanted in zip(tree_leaves(program.module()(images)), tree_leaves(model(images)), strict=True):
            if isinstance(wanted, torch.Tensor):
                torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
