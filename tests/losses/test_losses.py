"""The names of losses."""

import pytest
import torch

from pixelwise.losses import LOSSES, Combined, criterion
from pixelwise.losses.pixel import CrossEntropy, Focal
from pixelwise.losses.region import Dice

LOGITS = torch.tensor([[[[2, -1], [0.5, 0]], [[0, 1], [0.5, 3]], [[-1, 0], [1.5, 0]]]])
TARGET = torch.tensor([[[0, 1], [2, 1]]])


@pytest.mark.parametrize("name", LOSSES)
def test_every_name_makes_a_loss_of_named_scalars(name: str) -> None:
    parts = criterion(name)(LOGITS, TARGET)
    assert len(parts) == 1
    assert all(value.ndim == 0 and value > 0 for value in parts.values())


def test_parts_are_returned_times_their_factor() -> None:
    parts = criterion("ce + 0.5*dice")(LOGITS, TARGET)
    assert {name: value.item() for name, value in parts.items()} == {
        "cross_entropy": pytest.approx(0.305955, abs=1e-6),
        "dice": pytest.approx(0.272855 / 2, abs=1e-6),
    }


def test_one_loss_is_not_wrapped_unless_it_has_a_factor() -> None:
    assert isinstance(criterion("ce"), CrossEntropy)
    assert isinstance(criterion("2*ce"), Combined)


def test_class_weights_reach_every_part_that_takes_them() -> None:
    combined = criterion("focal+dice-squared+2*ce", torch.tensor([1.0, 2.0, 3.0]))
    focal, dice, entropy = combined.losses  # type: ignore[misc]
    assert isinstance(focal, Focal)
    assert isinstance(dice, Dice)
    assert focal.weights.tolist() == entropy.weights.tolist() == [1, 2, 3]
    assert combined(LOGITS, TARGET)["cross_entropy"].item() == pytest.approx(2 * 0.353655, abs=2e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dise", "no loss called 'dise': did you mean 'dice'"),
        ("ce+0.5*lovas", "did you mean 'lovasz'"),
        ("ce-border+dice", "ce-border stands alone"),
        ("", "there are: ce, ce-border, ohem"),
        ("ce+", "there are: ce, ce-border, ohem"),
        ("ce+half*dice", "factor 'half', which is no positive number"),
        ("ce+-1*dice", "factor '-1'"),
        ("ce+nan*dice", "factor 'nan'"),
        ("dice+dice-usual", "names one loss twice"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace("+", r"\+")):
        criterion(name)


def test_class_weights_that_nothing_would_use() -> None:
    with pytest.raises(ValueError, match="without class weights"):
        criterion("dice+lovasz", torch.ones(3))
