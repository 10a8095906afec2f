from __future__ import annotations

import pytest
import record_crf
import torch
import torch.nn.functional as F

from pixelwise.postprocess.crf import CRF, PARAMETERS, RecurrentCRF


def read_scene(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    image, probabilities, _ = record_crf.make_scene(classes)
    return torch.from_numpy(probabilities), torch.from_numpy(image).permute(2, 0, 1)


def test_probabilities_stay_probabilities():
    probabilities, image = read_scene()
    kept = probabilities.clone()
    found = CRF(bi_xy=20, bi_rgb=12)(probabilities, image)
    assert found.shape == probabilities.shape and found.dtype == torch.float32
    torch.testing.assert_close(found.sum(0), torch.ones(image.shape[1:]))
    assert (found.argmax(0) != probabilities.argmax(0)).float().mean() > 0.05
    assert torch.equal(probabilities, kept)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
def test_any_size(size):
    image = torch.zeros(3, *size, dtype=torch.uint8)
    found = CRF()(torch.full((2, *size), 0.5), image)
    torch.testing.assert_close(found, torch.full((2, *size), 0.5))


def test_half_precision_is_computed_in_single():
    probabilities, image = read_scene()
    half = CRF(bi_xy=20, bi_rgb=12)(probabilities.half(), image)
    torch.testing.assert_close(half, CRF(bi_xy=20, bi_rgb=12)(probabilities.half().float(), image))


def test_a_weight_of_0_is_no_kernel():
    assert [kernel.rgb for kernel in CRF(pos_w=0).kernels] == [3.0]
    assert [kernel.rgb for kernel in CRF(bi_w=0).kernels] == [None]


def test_plain_values_and_back():
    crf = CRF(pos_xy=1, bi_xy=50.5, steps=5, normalization="after")
    assert CRF.from_dict(crf.to_dict()) == crf
    assert CRF.from_dict({}) == CRF()
    with pytest.raises(ValueError, match="no key 'bi_xyz': did you mean 'bi_xy'"):
        CRF.from_dict({"bi_xyz": 3})


def test_parse():
    assert CRF.parse("bi_xy=50, bi_rgb=5") == CRF(bi_xy=50, bi_rgb=5)
    assert CRF.parse("deeplabv2-voc") == PARAMETERS["deeplabv2-voc"] == CRF(3, 1, 4, 67, 3)
    assert CRF.parse("deeplabv1-voc,steps=5") == CRF(3, 3, 5, 50, 10, 5, "after")
    for text, message in {
        "deeplabv2-vox": "did you mean 'deeplabv2-voc'",
        "bi_x=3": "did you mean 'bi_xy'",
        "bi_xy=wide": "bi_xy of the CRF is 'wide'",
        "bi_xy": "no CRF 'bi_xy'",
        "deeplabv2-voc,bi_xy": "KEY=NUMBER",
        "bi_xy=0": "bi_xy of the CRF is 0",
        "bi_w=-1": "bi_w of the CRF is -1",
        "bi_w=nan": "bi_w of the CRF is nan",
        "steps=2.5": "steps of the CRF is 2.5",
        "normalization=mean": "no normalization 'mean'",
    }.items():
        with pytest.raises(ValueError, match=message):
            CRF.parse(text)


def test_the_recurrent_one_begins_as_the_other():
    probabilities, image = read_scene()
    crf = CRF(bi_xy=20, bi_rgb=12, steps=4)
    found = RecurrentCRF(3, crf)(probabilities.log()[None], image[None]).softmax(1)[0]
    torch.testing.assert_close(found, crf(probabilities, image), atol=1e-5, rtol=0)


def test_the_recurrent_one_learns():
    probabilities, image = read_scene()
    clean = probabilities.argmax(0)
    noise = torch.randn(3, *clean.shape, generator=torch.Generator().manual_seed(0))
    logits = F.one_hot(clean, 3).permute(2, 0, 1) + 1.2 * noise
    crf = RecurrentCRF(3, CRF(0.1, 1.5, 0.1, 20, 12, steps=3))
    optimizer = torch.optim.Adam(crf.parameters(), lr=0.1)
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(crf(logits[None], image[None]), clean[None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_gradients_of_the_recurrent_one_by_finite_differences():
    probabilities, image = read_scene()
    logits = probabilities[None, :, :4, :5].double().log().requires_grad_()
    crf = RecurrentCRF(3, CRF(2, 1, 3, 4, 25, steps=3)).double()

    def infer(logits, weights, compatibility):
        return torch.func.functional_call(
            crf, {"weights": weights, "compatibility": compatibility}, (logits, image[None, :, :4, :5])
        )

    assert torch.autograd.gradcheck(infer, (logits, *crf.parameters()), fast_mode=True)
