from __future__ import annotations

import json

import numpy as np
import pytest
import record_crf
import torch
from PIL import Image

from pixelwise.postprocess.mean_field import Kernel, mean_field


def read_scene(classes: int) -> tuple[torch.Tensor, torch.Tensor, dict]:
    image, probabilities, weights = record_crf.make_scene(classes)
    tensors = {kind: weight if kind == "scalar" else torch.from_numpy(weight) for kind, weight in weights.items()}
    return torch.from_numpy(probabilities)[None], torch.from_numpy(image).permute(2, 0, 1)[None], tensors


def card_scene() -> tuple[torch.Tensor, torch.Tensor]:
    """A scene of 4×6 pixels whose results with pydensecrf are known."""
    y, x = torch.meshgrid(torch.arange(4), torch.arange(6), indexing="ij")
    one = torch.where(x >= 3, 0.7, 0.3)
    one[1, 1], one[2, 4] = 0.8, 0.25
    return torch.stack([1 - one, one])[None], torch.stack([40 * x, 60 * y, 30 * (x + y)]).byte()[None]


@pytest.mark.parametrize(
    ("normalization", "steps", "wanted"),
    [
        ("symmetric", 1, (0.036766, 0.898132, 0.083489, 0.883968, 0.129050, 0.960678)),
        ("symmetric", 5, (0.000538, 0.018156, 0.005752, 0.987023, 0.923204, 0.999202)),
        ("after", 1, (0.038974, 0.907578, 0.083758, 0.879960, 0.116531, 0.962687)),
        ("after", 5, (0.000602, 0.139396, 0.006206, 0.980195, 0.429310, 0.999237)),
        ("none", 1, (0.010715, 0.352456, 0.109322, 0.925486, 0.711242, 0.969546)),
    ],
)
def test_a_small_scene(normalization, steps, wanted):
    kernels = [Kernel(3.0, 1.0, None, normalization), Kernel(4.0, 4.0, 30.0, normalization)]
    found = mean_field(*card_scene(), kernels, steps)[0, 1]
    places = ((0, 0), (1, 1), (0, 2), (2, 3), (2, 4), (3, 5))
    assert [float(found[place]) for place in places] == pytest.approx(wanted, abs=3e-6)


@pytest.mark.parametrize(("classes", "normalization", "kind"), record_crf.cases())
def test_equals_pydensecrf(classes, normalization, kind):
    told = json.loads(record_crf.FILE.read_text("utf-8"))[f"{classes} {normalization} {kind}"]
    probabilities, images, weights = read_scene(classes)
    kernels = [
        Kernel(3.0, record_crf.POS_XY, None, normalization),
        Kernel(weights[kind], record_crf.BI_XY, record_crf.BI_RGB, normalization),
    ]
    found = mean_field(probabilities, images, kernels, 10)[0]
    lengths = np.diff([*told["starts"], record_crf.HEIGHT * record_crf.WIDTH])
    best = torch.from_numpy(np.repeat(told["classes"], lengths)).view(found.shape[1:])
    assert (found.argmax(0) != best).sum() <= 1
    sample = found[:, 5::20, 7::24].flatten(1).T
    assert (sample - torch.tensor(told["sample"])).abs().mean() < 1e-6
    torch.testing.assert_close(found.double().mean((1, 2)), torch.tensor(told["mean"]).double(), atol=1e-7, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 21])
def test_equals_pydensecrf_on_a_photo(classes, trial_data):
    peer = pytest.importorskip("pydensecrf.densecrf")
    path = trial_data("coco128") / "images" / "000000000009.jpg"
    image = np.ascontiguousarray(Image.open(path).convert("RGB"))[:375, :500].copy()
    height, width = image.shape[:2]
    coarse = 3 * torch.randn(1, classes, 12, 16, generator=torch.Generator().manual_seed(0))
    probabilities = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").softmax(1)
    crf = peer.DenseCRF2D(width, height, classes)
    crf.setUnaryEnergy(-probabilities[0].clamp_min(1e-5).log().flatten(1).numpy())
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=67, srgb=3, rgbim=image, compat=4)
    theirs = torch.from_numpy(np.array(crf.inference(10))).view(classes, height, width)
    images = torch.from_numpy(image).permute(2, 0, 1)[None]
    found = mean_field(probabilities, images, [Kernel(3.0, 3.0), Kernel(4.0, 67.0, 3.0)], 10)[0]
    assert (found.argmax(0) == theirs.argmax(0)).double().mean() >= 0.9999
    assert (found - theirs).abs().mean() < 1e-6


def test_ways_to_say_potts():
    probabilities, images, _ = read_scene(3)
    ways = [4.0, torch.full((3,), -4.0), -4 * torch.eye(3)]
    one, two, three = (mean_field(probabilities, images, [Kernel(way, 9.0, 20.0)], 4) for way in ways)
    torch.testing.assert_close(one, two, atol=1e-5, rtol=0)
    torch.testing.assert_close(one, three, atol=1e-5, rtol=0)


def test_classes_that_are_nowhere_are_left_out_without_harm():
    probabilities, images, _ = read_scene(3)
    nowhere = torch.zeros_like(probabilities).repeat(1, 4, 1, 1)
    wide = torch.cat([nowhere, probabilities], 1)  # 12 classes that are nowhere
    kernels = [Kernel(3.0, 2.0), Kernel(5.0, 20.0, 12.0)]
    found = mean_field(wide, images, kernels)
    exact = mean_field(wide.clone().requires_grad_(), images, kernels).detach()
    assert (found - exact).abs().max() < 1e-6
    assert found[:, :12].max() < 1e-4
    assert not torch.allclose(found, wide, atol=0.1)


def test_a_batch_is_as_its_images():
    probabilities, images, _ = read_scene(2)
    both = torch.cat([images, images.flip(3)]), torch.cat([probabilities, probabilities.flip(2)])
    kernels = [Kernel(3.0, 2.0), Kernel(5.0, 20.0, 12.0)]
    together = mean_field(both[1], both[0], kernels, 3)
    for k in range(2):
        assert torch.equal(together[k], mean_field(both[1][k : k + 1], both[0][k : k + 1], kernels, 3)[0])


def test_no_step_and_no_kernel_change_nothing():
    probabilities, images, _ = read_scene(2)
    torch.testing.assert_close(mean_field(probabilities, images, [Kernel(3.0, 3.0)], 0), probabilities)
    torch.testing.assert_close(mean_field(probabilities, images, [], 2), probabilities)


def test_gradients_by_finite_differences():
    probabilities, images = card_scene()
    probabilities = torch.cat([probabilities * 0.8, torch.full_like(probabilities[:, :1], 0.2)], 1).double()
    vector = torch.tensor([-2.0, -3.0, -1.5], dtype=torch.float64)
    matrix = torch.tensor([[-3.0, 0.4, 0.2], [0.1, -2.0, 0.3], [0.5, 0.0, -4.0]], dtype=torch.float64)

    def infer(p, v, m):
        kernels = [Kernel(2.0, 1.0), Kernel(v, 2.0, None, "after"), Kernel(m, 4.0, 30.0, "before")]
        return mean_field(p, images, kernels, 3)

    inputs = [x.requires_grad_() for x in (probabilities, vector, matrix)]
    assert torch.autograd.gradcheck(infer, inputs, fast_mode=True)


def test_what_is_refused():
    probabilities, images, _ = read_scene(2)
    with pytest.raises(ValueError, match=r"uint8.*float32"):
        mean_field(probabilities, images / 255, [])
    with pytest.raises(ValueError, match=r"\(1, 2, 60, 84\) and \(1, 3, 84, 60\)"):
        mean_field(probabilities, images.mT, [])
