"""Worked vectors computed with the peers; the Lovász extension against its definition over sets of pixels."""

import pytest
import torch
from torch import nn

from pixelwise.losses.region import Dice, Lovasz, Tversky

LOGITS = torch.tensor([[[[2, -1], [0.5, 0]], [[0, 1], [0.5, 3]], [[-1, 0], [1.5, 0]]]])
TARGET = torch.tensor([[[0, 1], [2, 1]]])
EVERY = {
    "smp": Dice(),
    "usual": Dice("usual"),
    "squared": Dice("squared"),
    "milesial": Dice("milesial"),
    "tversky": Tversky(),
    "lovasz": Lovasz(),
    "lovasz all": Lovasz(present=False),
    "lovasz per image": Lovasz(per_image=True),
}
every = pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY.keys())


def only(parts: dict[str, torch.Tensor]) -> torch.Tensor:
    (value,) = parts.values()
    return value


def noise(classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of two with void, in which class 3 is absent, and class 2 is only in the second image."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, classes, 6, 5, generator=generator)
    target = torch.stack([torch.randint(0, n, (6, 5), generator=generator) for n in (2, 3)])
    return logits, target.masked_fill(torch.rand(2, 6, 5, generator=generator) < 0.4, 255)


@pytest.mark.parametrize(
    ("loss", "value"),
    [
        (Dice("smp"), 0.272855),
        (Dice("smp", smooth=1), 0.146964),
        (Dice("usual"), 0.190343),
        (Dice("squared"), 0.090976),
        (Dice("milesial"), 0.251351),
        (Tversky(0.5, 0.5), 0.272855),
        (Lovasz(), 0.280938),
    ],
)
def test_worked_vectors(loss: nn.Module, value: float) -> None:
    assert only(loss(LOGITS, TARGET)).item() == pytest.approx(value, abs=1e-6)


def test_dice_counts_the_pixels_that_are_not_void() -> None:
    logits, target = noise()
    p, valid = logits.double().softmax(1).movedim(1, -1)[target != 255], target[target != 255]
    losses = []
    for c in range(4):
        both, size = float(p[valid == c, c].sum()), float(p[:, c].sum() + (valid == c).sum())
        losses.append(1 - (2 * both + 1) / (size + 1))
    assert only(Dice("usual")(logits, target)).item() == pytest.approx(sum(losses) / 4, rel=1e-6)


def test_absent_classes_cost_nothing_but_stay_in_the_mean() -> None:
    """As in segmentation_models.pytorch; the usual form pushes them down instead."""
    logits = torch.log(torch.tensor([0.7, 0.1, 0.2])).view(1, 3, 1, 1)
    target = torch.zeros(1, 1, 1, dtype=torch.int64)
    losses = [1 - (2 * 0.7) / 1.7, 0, 0], [1 - (2 * 0.7 + 1) / 2.7, 1 - 1 / 1.1, 1 - 1 / 1.2]
    for name, expected in zip(("smp", "usual"), losses, strict=True):
        assert only(Dice(name)(logits, target)).item() == pytest.approx(sum(expected) / 3, rel=1e-6)
    assert only(Tversky(0.5, 0.5)(logits, target)).item() == pytest.approx(losses[0][0] / 3, rel=1e-6)


def test_tversky_of_ones_is_the_jaccard_index_and_beta_is_for_misses() -> None:
    logits = torch.log(torch.tensor([[0.8, 0.2], [0.4, 0.6]])).T[None, :, None]  # two pixels
    target = torch.tensor([[[0, 1]]])
    expected = (1 - 0.8 / (1 + 1.2 - 0.8) + 1 - 0.6 / (1 + 0.8 - 0.6)) / 2
    assert only(Tversky(1, 1)(logits, target)).item() == pytest.approx(expected, rel=1e-6)
    expected = (1 - 0.8 / (0.8 + 0.1 * 0.4 + 0.9 * 0.2) + 1 - 0.6 / (0.6 + 0.1 * 0.2 + 0.9 * 0.4)) / 2
    assert only(Tversky(0.1, 0.9)(logits, target)).item() == pytest.approx(expected, rel=1e-6)


def lovasz_by_definition(errors: list[float], truth: list[bool]) -> float:
    """Σ e_i · (Δ(the i worst) − Δ(the i − 1 worst)), where Δ(M) is the Jaccard loss when the set M is wrong."""

    def jaccard_loss(wrong: set[int]) -> float:
        true = {i for i, t in enumerate(truth) if t}
        predicted = true ^ wrong
        return 1 - len(true & predicted) / len(true | predicted) if true | predicted else 0.0

    order = sorted(range(len(errors)), key=lambda i: -errors[i])
    steps = [jaccard_loss(set(order[: n + 1])) - jaccard_loss(set(order[:n])) for n in range(len(order))]
    return sum(errors[i] * step for i, step in zip(order, steps, strict=True))


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("rounded", [False, True], ids=["distinct", "ties"])
def test_lovasz_is_its_definition(present: bool, per_image: bool, rounded: bool) -> None:
    logits, target = noise()
    logits = logits.round() if rounded else logits
    means = []
    for images in [slice(0, 1), slice(1, 2)] if per_image else [slice(None)]:
        valid = target[images] != 255
        p, t = logits[images].double().softmax(1).movedim(1, -1)[valid], target[images][valid]
        classes = [c for c in range(4) if not present or c in t]
        parts = [lovasz_by_definition(((t == c).double() - p[:, c]).abs().tolist(), (t == c).tolist()) for c in classes]
        means.append(sum(parts) / len(parts))
    actual = only(Lovasz(present, per_image)(logits, target))
    assert actual.item() == pytest.approx(sum(means) / len(means), rel=1e-6)


def test_lovasz_of_a_hard_result_is_its_jaccard_loss() -> None:
    predicted = torch.tensor([[0, 0, 1], [1, 1, 1]])
    truth = torch.tensor([[0, 1, 1], [1, 255, 0]])
    logits = 200.0 * torch.nn.functional.one_hot(predicted, 2).movedim(-1, 0)[None]
    assert only(Lovasz()(logits, truth[None])).item() == pytest.approx(1 - (1 / 3 + 2 / 4) / 2, abs=1e-6)


@every
def test_void_pixels_count_in_nothing(loss: nn.Module) -> None:
    logits, target = noise()
    void = (target == 255)[:, None].expand_as(logits)
    a, b = logits.requires_grad_(), torch.where(void, 5 - 3 * logits.detach(), logits.detach()).requires_grad_()
    one, two = only(loss(a, target)), only(loss(b, target))
    one.backward()
    two.backward()
    assert one.item() == pytest.approx(two.item(), rel=1e-6)
    assert a.grad is not None
    assert b.grad is not None
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-8)
    assert a.grad[void].abs().max() == 0 < a.grad.abs().max()


@every
def test_a_batch_that_is_all_void_has_no_loss_and_no_gradient(loss: nn.Module) -> None:
    logits = noise()[0].requires_grad_()
    value = only(loss(logits, torch.full((2, 6, 5), 255)))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


@every
@pytest.mark.parametrize("predicted", [0, 1])
def test_images_without_objects_and_certain_predictions_stay_finite(loss: nn.Module, predicted: int) -> None:
    logits = torch.zeros(1, 4, 5, 5)
    logits[:, predicted] = 300
    logits.requires_grad_()
    value = only(loss(logits, torch.zeros(1, 5, 5, dtype=torch.int64)))
    value.backward()
    assert value.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@every
def test_half_precision_is_computed_in_float32(loss: nn.Module) -> None:
    logits, target = noise()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = only(loss(logits.bfloat16(), target))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(only(loss(logits.bfloat16().float(), target)).item(), rel=1e-6)


@every
def test_gradients_are_those_of_the_values(loss: nn.Module) -> None:
    logits, target = noise()
    doubles = logits[:, :, :2, :3].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: only(loss(z, target[:, :2, :3])), doubles, eps=1e-7, atol=1e-6)


def test_a_variant_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="'cubed'; there are: usual, smp, squared, milesial"):
        Dice("cubed")
