"""Worked vectors computed with the losses' peers; the rest against the formulas, pixel by pixel."""

import pytest
import torch
import torchvision
from torch import nn

from pixelwise.losses.pixel import OHEM, CrossEntropy, Focal, SigmoidFocal

LOGITS = torch.tensor([[[[2, -1], [0.5, 0]], [[0, 1], [0.5, 3]], [[-1, 0], [1.5, 0]]]])
TARGET = torch.tensor([[[0, 1], [2, 1]]])
EVERY = [CrossEntropy(), CrossEntropy([1.0, 2, 3]), Focal(), Focal(gamma=0.5), SigmoidFocal(), OHEM(min_kept=2)]


def only(parts: dict[str, torch.Tensor]) -> torch.Tensor:
    (value,) = parts.values()
    return value


def noise(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of two with 60 % void."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, classes, 9, 7, generator=generator)
    target = torch.randint(0, classes, (2, 9, 7), generator=generator)
    return logits, target.masked_fill(torch.rand(2, 9, 7, generator=generator) < 0.6, 255)


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        (CrossEntropy(), 0.305955),
        (CrossEntropy([1.0, 2.0, 3.0]), 0.353655),
        (Focal(gamma=2), 0.0374206),
        (Focal(gamma=0, weights=[1.0, 2.0, 3.0]), 0.353655),
        (SigmoidFocal(gamma=2, alpha=None), 0.127047),
        (SigmoidFocal(gamma=2, alpha=0.25), 0.0939820),
    ],
)
def test_worked_vectors(loss: nn.Module, value: float) -> None:
    assert only(loss(LOGITS, TARGET)).item() == pytest.approx(value, abs=1e-6)


def test_sigmoid_focal_is_torchvisions_on_the_pixels_that_count() -> None:
    logits, target = noise()
    valid = target != 255
    truth = torch.nn.functional.one_hot(target[valid], 3).float()
    theirs = torchvision.ops.sigmoid_focal_loss(logits.movedim(1, -1)[valid], truth, 0.25, 2.0, "sum") / valid.sum()
    assert 3 * only(SigmoidFocal()(logits, target)).item() == pytest.approx(theirs.item(), rel=1e-6)
    weighted = only(SigmoidFocal(weights=[1.0, 0.0, 0.0])(logits, target))
    first = torchvision.ops.sigmoid_focal_loss(logits[:, 0][valid], truth[:, 0], 0.25, 2.0, "mean")
    assert weighted.item() == pytest.approx(first.item(), rel=1e-6)


def test_pixel_weights_are_added_to_the_class_weights() -> None:
    logits, target = noise()
    extra = torch.rand(target.shape, generator=torch.Generator().manual_seed(1))
    total = weights = 0.0
    logs = logits.double().log_softmax(1)
    for b, y, x in (target != 255).nonzero().tolist():
        c = int(target[b, y, x])
        w = (1.0, 2.0, 0.5)[c] + float(extra[b, y, x])
        total, weights = total - w * float(logs[b, c, y, x]), weights + w
    actual = only(CrossEntropy([1.0, 2.0, 0.5])(logits, target, extra))
    assert actual.item() == pytest.approx(total / weights, rel=1e-6)


@pytest.mark.parametrize("min_kept", [0, 1, 10, 40, 1000])
def test_ohem_keeps_what_the_rule_says(min_kept: int) -> None:
    """A pixel is kept when its probability is strictly below max(threshold, that of rank min(k, n − 1))."""
    logits, target = noise()
    logs = logits.double().log_softmax(1)
    losses = sorted(-float(logs[b, target[b, y, x], y, x]) for b, y, x in (target != 255).nonzero().tolist())[::-1]
    probabilities = [torch.tensor(-loss).exp().item() for loss in losses]
    limit = max(0.3, probabilities[min(2 * min_kept, len(losses) - 1)])
    kept = [loss for loss, p in zip(losses, probabilities, strict=True) if p < limit]
    assert 0 < len(kept) < len(losses)
    actual = only(OHEM(threshold=0.3, min_kept=min_kept)(logits, target))
    assert actual.item() == pytest.approx(sum(kept) / len(kept), rel=1e-6)


@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: type(loss).__name__)
def test_void_pixels_count_in_nothing(loss: nn.Module) -> None:
    logits, target = noise()
    void = (target == 255)[:, None].expand_as(logits)
    other = torch.where(void, -3 * logits + 5, logits)
    a, b = logits.requires_grad_(), other.requires_grad_()
    one, two = only(loss(a, target)), only(loss(b, target))
    one.backward()
    two.backward()
    assert one.item() == two.item() > 0
    assert a.grad is not None
    assert b.grad is not None
    assert torch.equal(a.grad, b.grad)
    assert a.grad[void].abs().max() == 0 < a.grad.abs().max()


@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: type(loss).__name__)
def test_a_batch_that_is_all_void_has_no_loss_and_no_gradient(loss: nn.Module) -> None:
    logits = noise()[0].requires_grad_()
    value = only(loss(logits, torch.full((2, 9, 7), 255)))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: type(loss).__name__)
def test_a_image_without_objects_and_sure_results_stay_finite(loss: nn.Module) -> None:
    """Nothing but background, predicted with the largest certainty of float32, and missed with the same certainty."""
    for right in (True, False):
        logits = torch.zeros(1, 3, 4, 4)
        logits[:, 0 if right else 1] = 300
        logits.requires_grad_()
        value = only(loss(logits, torch.zeros(1, 4, 4, dtype=torch.int64)))
        value.backward()
        assert value.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: type(loss).__name__)
def test_half_precision_is_computed_in_float32(loss: nn.Module) -> None:
    logits, target = noise()
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=dtype):
            value = only(loss(logits.to(dtype), target))
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(only(loss(logits.to(dtype).float(), target)).item(), rel=1e-6)


@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: type(loss).__name__)
def test_gradients_are_those_of_the_values(loss: nn.Module) -> None:
    logits, target = noise()
    doubles = logits[:1, :, :3, :4].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: only(loss(z, target[:1, :3, :4])), doubles, eps=1e-6, atol=1e-6)


def test_class_weights_are_no_part_of_the_state_but_move_with_the_module() -> None:
    loss = CrossEntropy([1.0, 2.0])
    assert not loss.state_dict()
    assert loss.to("meta").weights.device.type == "meta"  # type: ignore[union-attr]


def test_errors_say_what_was_wanted() -> None:
    with pytest.raises(ValueError, match=r"\(B, C, H, W\).*\(1, 3, 2, 2\) with \(1, 2, 3\)"):
        CrossEntropy()(LOGITS, torch.zeros(1, 2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="num_classes=2"):
        CrossEntropy()(LOGITS[:, :1], TARGET * 0)
    with pytest.raises(ValueError, match="2 class weights for logits of 3 classes"):
        CrossEntropy([1.0, 2.0])(LOGITS, TARGET)
    with pytest.raises(ValueError, match="2 class weights for logits of 3 classes"):
        SigmoidFocal(weights=[1.0, 2.0])(LOGITS, TARGET)
    with pytest.raises(ValueError, match="0 or more"):
        CrossEntropy([1.0, -2.0])
