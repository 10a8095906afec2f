from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import pixelwise
from pixelwise.classes import Classes
from pixelwise.images.intensity import IntensityRange
from pixelwise.images.rows import InMemory
from pixelwise.inference import method, semantic
from pixelwise.inference.predictor import DEFAULT_SCORE_THRESHOLD, Predictor, predict
from pixelwise.models.base import Model, SemanticModel, SemanticOutputs
from pixelwise.ops.resize import Resizing
from pixelwise.postprocess.chain import Chain
from pixelwise.postprocess.crf import CRF
from pixelwise.sample import Sample, collate


class Small(SemanticModel):
    """A convolution and a pooling on a grid of eight: it sees up to eleven pixels around each."""

    stride = 8

    def __init__(self, num_classes: int = 3, symmetric: bool = False) -> None:
        super().__init__(num_classes)
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, num_classes, 9, padding=4)
        if symmetric:
            weight = self.convolution.weight.detach()
            self.convolution.weight.data = (weight + weight.flip(-1) + weight.flip(-2) + weight.flip(-1, -2)) / 4
        self.dropout = nn.Dropout(0.9)

    def forward(self, images: Tensor) -> SemanticOutputs:
        maps = 5 * self.convolution(images)
        coarse = nn.functional.interpolate(nn.functional.avg_pool2d(maps, 8), scale_factor=8.0, mode="nearest")
        return SemanticOutputs(self.dropout(maps + coarse))


class Squares(Model):
    """Finds two overlapping squares in every image."""

    task = "instance"

    def __init__(self, num_classes: int, scores: tuple[float, float] = (0.9, 0.6)) -> None:
        super().__init__(num_classes)
        self.scores = scores

    def forward(self, images: Tensor) -> Tensor:
        return images

    def decode(self, outputs: Tensor, sizes: Sequence[tuple[int, int]]) -> list[pixelwise.Segmentation]:
        masks = torch.zeros(2, *sizes[0], dtype=torch.bool)
        masks[0, :6, :6] = masks[1, 3:9, 3:9] = True
        return [pixelwise.Segmentation(self.classes, torch.tensor([0, 1]), torch.tensor(self.scores), masks=masks)]

    def loss(self, outputs, truths):
        raise NotImplementedError("it is only used for prediction")


def noise(height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def scaled(image: Tensor, size: tuple[int, int]) -> Tensor:
    return InMemory(image).at(size)(slice(None), slice(None))


def by_hand(model: SemanticModel, shown: Tensor, size: tuple[int, int]) -> Tensor:
    with torch.no_grad():
        logits = model.eval()(collate([Sample(shown)], model.stride).images).logits
    logits = logits[:, :, : shown.shape[1], : shown.shape[2]]
    return nn.functional.interpolate(logits, size, mode="bilinear", align_corners=False)[0].softmax(0)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 17), (64, 64)])
def test_results_have_the_size_of_the_image_and_are_what_the_model_decodes(size):
    model, image = Small().eval(), noise(*size)
    found = predict(model, image)
    assert found.size == size
    (decoded,) = model.decode(model(collate([Sample(image)], 8).images), [size])
    assert torch.equal(found.class_map(), decoded.class_map())
    torch.testing.assert_close(found.scores, decoded.scores.detach())


@pytest.mark.parametrize(
    "resizing", [Resizing(), Resizing(short_side=97), Resizing(short_side=311), Resizing(None, 80)]
)
def test_tiles_give_what_the_whole_gives(resizing):
    model, image = Small(), noise(203, 310)
    model.resizing = resizing
    shown = scaled(image, resizing.size(203, 310))
    whole = by_hand(model, shown, (203, 310))
    for tile in (None, 128, 1000):  # 12 pixels next to an inner edge do not count: the model sees 11
        found = Predictor(model, tile=tile, overlap=0.25).probabilities(image)
        torch.testing.assert_close(found, whole, atol=1e-4, rtol=0)
    assert (found.sum(0) - 1).abs().max() < 1e-5


def test_tiles_lie_on_the_grid_of_models_that_pad_by_themselves():
    class Inside(Small):
        stride = 1

        def forward(self, images: Tensor) -> SemanticOutputs:
            height, width = images.shape[-2:]
            padded = nn.functional.pad(images, (0, -width % 8, 0, -height % 8))
            return SemanticOutputs(super().forward(padded).logits[..., :height, :width])

    model, image = Inside(), noise(150, 203)
    whole = Predictor(model).probabilities(image)
    torch.testing.assert_close(Predictor(model, tile=60, overlap=0.5).probabilities(image), whole, atol=1e-5, rtol=0)


def test_large_images_are_tiled_and_kept_in_bands_by_themselves(monkeypatch):
    model, image = Small(), noise(250, 200)
    whole = Predictor(model).probabilities(image)
    monkeypatch.setattr(method, "MAX_UNTILED_PIXELS", 100 * 100)
    monkeypatch.setattr(method, "TILE", 96)
    monkeypatch.setattr(semantic, "BAND", 50)
    tiled = Predictor(model, flip=True, overlap=1 / 3)
    shapes = [tuple(images.shape[-2:]) for images in _seen(model, lambda: tiled(image))]
    assert len(shapes) == 2 * 4 * 3
    assert max(shapes) <= (96, 96)
    with torch.inference_mode():
        assert {band.shape[1] for band in tiled._method.bands(InMemory(image))} == {50}
    torch.testing.assert_close(Predictor(model, overlap=1 / 3).probabilities(image), whole, atol=1e-5, rtol=0)


def test_flips_are_averaged_exactly():
    image, mirrored = noise(64, 48), noise(64, 48).flip(-1)
    plain = Predictor(Small())
    mean = (plain.probabilities(image) + plain.probabilities(mirrored).flip(-1)) / 2
    torch.testing.assert_close(Predictor(Small(), flip=True).probabilities(image), mean)
    both = Predictor(Small(), flip="both")
    torch.testing.assert_close(both.probabilities(image.flip(-2)).flip(-2), both.probabilities(image))
    symmetric = Small(symmetric=True)
    torch.testing.assert_close(
        Predictor(symmetric, flip="both").probabilities(image), Predictor(symmetric).probabilities(image)
    )


def test_scales_are_averaged_exactly():
    model, image = Small(), noise(64, 48)
    views = [by_hand(model, scaled(image, size), (64, 48)) for size in ((32, 24), (64, 48), (96, 72))]
    found = Predictor(model, scales=(0.5, 1, 1.5)).probabilities(image)
    torch.testing.assert_close(found, sum(views) / 3, atol=1e-5, rtol=0)


def test_all_kinds_of_sources_give_the_same(tmp_path):
    image = noise(20, 30)
    rows = image.permute(1, 2, 0).numpy()
    Image.fromarray(rows).save(tmp_path / "a.png")
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(rows), rows, image]
    first, *others = predict(Small(), sources)
    assert all(other == first for other in others)
    assert first == predict(Small(), image)


def test_the_mode_of_each_module_stays():
    model = Small().train()
    model.convolution.eval()
    first, second = predict(model, noise(16, 16)), predict(model, noise(16, 16))
    assert first == second
    assert model.training
    assert model.dropout.training
    assert not model.convolution.training


def test_bfloat16_is_close():
    image = noise(64, 64)
    exact = Predictor(Small()).probabilities(image)
    close = Predictor(Small(), precision="bf16").probabilities(image)
    assert close.dtype == torch.float32
    assert not torch.equal(close, exact)
    assert (close - exact).abs().max() < 0.1


def test_instance_models_predict_but_have_no_probabilities():
    found = predict(Squares(2), noise(20, 20))
    assert found.masks is not None
    assert found.size == (20, 20)
    with pytest.raises(TypeError, match="instance"):
        Predictor(Squares(2)).probabilities(noise(20, 20))
    for options in ({"flip": True}, {"scales": (0.5,)}, {"postprocess": Chain(crf=CRF())}):
        with pytest.raises(TypeError, match="flip, scales and the CRF need class probabilities"):
            Predictor(Squares(2), **options)


def test_objects_less_sure_than_the_score_are_left_out():
    image = noise(20, 20)
    assert predict(Squares(2), image).scores.tolist() == pytest.approx([0.9, 0.6])
    assert len(predict(Squares(2), image, score_threshold=0.7)) == 1
    assert len(Predictor(Squares(2))(image, score_threshold=0.7)) == 1
    assert len(Predictor(Squares(2), score_threshold=0.7)(image, score_threshold=0.0)) == 1, (
        "its own score holds, whoever calls"
    )
    assert len(Predictor(Squares(2), score_threshold=0.95)(image)) == 0
    unsure = Squares(2, scores=(0.4, 0.2))
    assert len(predict(unsure, image)) == 1, f"{DEFAULT_SCORE_THRESHOLD} for people"
    assert len(Predictor(unsure)(image, score_threshold=0.0)) == 2
    with pytest.raises(ValueError, match=r"score_threshold is 30: .* from 0"):
        predict(Squares(2), image, score_threshold=30)
    with pytest.raises(TypeError, match="Small does semantic segmentation: score_threshold is for instance models"):
        predict(Small(), image, score_threshold=0.5)
    with pytest.raises(TypeError, match="^solov2 does instance segmentation"):
        Predictor(pixelwise.create("solov2", num_classes=2, backbone="resnet18"), flip=True)


def test_objects_are_cleaned():
    assert len(Predictor(Squares(2), postprocess=Chain(drop_below=40))(noise(20, 20))) == 0, "36 pixels each"
    plain = predict(Squares(2), noise(20, 20))
    assert Predictor(Squares(2), postprocess=Chain(fill_holes=9))(noise(20, 20)) == plain
    rounded = Predictor(Squares(2), postprocess=Chain(open=2))(noise(20, 20))
    assert (rounded.areas() < plain.areas()).all()
    assert torch.equal(rounded.scores, plain.scores)
    assert len(predict(Squares(2), noise(20, 20), postprocess=Chain(keep_largest=1))) == 2, "parts of each, not objects"


def test_large_images_of_objects_are_tiled_by_themselves(monkeypatch):
    model, image = Squares(2), noise(100, 200)
    monkeypatch.setattr(method, "MAX_UNTILED_PIXELS", 100 * 100)
    monkeypatch.setattr(method, "TILE", 96)
    assert len(predict(model, image)) > 2
    model.resizing = Resizing(short_side=64)
    assert len(predict(model, image)) == 2, "a model that resizes sees the image as it did in training"
    assert len(predict(model, image, tile=96)) > 2


def test_panoptic_models_take_whole_images():
    class Panoptic(Squares):
        task = "panoptic"

    with pytest.raises(TypeError, match="Panoptic does panoptic segmentation: .* leave tile out"):
        Predictor(Panoptic(2), tile=64)
    with pytest.raises(TypeError, match="leave it out"):
        Predictor(Panoptic(2), score_threshold=0.5)
    assert len(Predictor(Panoptic(2))(noise(20, 20), score_threshold=0.95)) == 2, (
        "segments of a panoptic map are all needed"
    )


def test_a_model_whose_classes_are_not_its_outputs():
    model = Small(3)
    model.classes = Classes(("background", "cell"))
    with pytest.raises(ValueError, match="gives 3 classes, but names 2"):
        predict(model, noise(8, 8))


def test_precisions_that_there_are_not():
    with pytest.raises(ValueError, match="'fp16'"):
        Predictor(Small(), precision="fp16")


@pytest.mark.slow
def test_predicting_a_large_image_takes_little_memory_and_imports_nothing_that_it_does_not_need():
    """6000×1000 pixels of 20 classes: the probabilities alone would take 480 MB."""
    code = (
        "import resource, sys, torch, pixelwise\n"
        "from pixelwise.models.base import SemanticModel, SemanticOutputs\n"
        "class Plain(SemanticModel):\n"
        "    def forward(self, images): return SemanticOutputs(images.mean(1, keepdim=True).expand(-1, 20, -1, -1))\n"
        "pixelwise.predict(Plain(20), torch.zeros(3, 64, 64, dtype=torch.uint8))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert pixelwise.predict(Plain(20), torch.zeros(3, 6000, 1000, dtype=torch.uint8)).size == (6000, 1000)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
        "print(*[name for name in ('lightning', 'torchvision', 'timm', 'tensorboard') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    megabytes, imported = run.stdout.splitlines()
    assert int(megabytes) < 400
    assert imported == ""


def _seen(model: nn.Module, run) -> list[Tensor]:
    seen: list[Tensor] = []
    hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    run()
    hook.remove()
    return seen


def test_sources_may_be_grey_arrays():
    assert predict(Small(), np.zeros((5, 6), np.uint8)).size == (5, 6)


def test_what_is_no_model():
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"not str: load it first, pixelwise\.load\('runs/tiles'\)"):
        predict("runs/tiles", image)
    with pytest.raises(TypeError, match="a model is wanted, not Conv2d$"):
        predict(torch.nn.Conv2d(3, 2, 1), image)


def test_what_comes_after_the_network_is_a_chain():
    with pytest.raises(TypeError, match=r"must be a Chain, such as Chain\(crf=CRF\(\)"):
        Predictor(pixelwise.create("unet_padded", num_classes=2, width=2), postprocess=pixelwise.CRF())


class Brightness(SemanticModel):
    """Class 1 where a pixel is brighter than half."""

    def forward(self, images: Tensor) -> SemanticOutputs:
        grey = images.mean(1, keepdim=True) - 0.5
        return SemanticOutputs(torch.cat([-grey, grey], 1))


def test_a_stated_range_wins_over_that_of_the_model(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[100, 400, 1200]], np.uint16))
    model = Brightness(2)
    model.intensity = IntensityRange(((0.0, 400.0),))
    assert predict(model, tmp_path / "a.png").class_map().tolist() == [[0, 1, 1]]
    stated = Predictor(model, intensity=IntensityRange(((0.0, 1200.0),)))
    assert stated(tmp_path / "a.png").class_map().tolist() == [[0, 0, 1]]
