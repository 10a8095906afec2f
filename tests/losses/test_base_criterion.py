"""A criterion and the ground truth that it compares logits with."""

import pytest
import torch

import pixelwise
from pixelwise.classes import Classes
from pixelwise.losses import LOSSES, criterion
from pixelwise.losses.base_criterion import Criterion, full_precision
from pixelwise.losses.border import border_weights
from pixelwise.segmentation import Segmentation

CELLS = Classes(("background", "cell"), things=(False, True))


def two_cells(gap: int) -> Segmentation:
    ids = torch.ones(32, 32, dtype=torch.int32)
    ids[8:20, 4:14], ids[8:20, 14 + gap : 28] = 2, 3
    return Segmentation(CELLS, torch.tensor([0, 1, 1]), ids=ids)


@pytest.mark.parametrize("name", [*LOSSES, "ce+0.5*dice"])
def test_the_first_target_is_the_class_map(name: str) -> None:
    truths = [two_cells(1), two_cells(3)]
    class_maps, *others = criterion(name).targets(truths)
    assert torch.equal(class_maps, torch.stack([truth.class_map() for truth in truths]))
    assert len(others) == (name == "ce-border")


def test_the_border_loss_has_its_weights_as_a_second_target() -> None:
    truths = [two_cells(1), two_cells(3)]
    _, borders = criterion("ce-border").targets(truths)
    torch.testing.assert_close(borders, torch.stack([border_weights(truth) for truth in truths]))
    assert borders.max() > 5


class Everything(Criterion):
    """A loss of one's own that needs more of the ground truth than the class of each pixel."""

    def targets(self, truths):
        return (*super().targets(truths), torch.stack([truth.panoptic_map().float() for truth in truths]))

    def forward(self, logits, target, ids=None):
        assert logits.shape[-2:] == target.shape[-2:] == ids.shape[-2:]
        assert target.dtype == torch.int64
        return {"segments": ids.max() + 0 * logits.sum()}


@pytest.mark.parametrize(("name", "maps"), [("deeplabv1", 1), ("deeplabv2", 4), ("pspnet", 2), ("unet", 1)])
def test_a_model_gives_a_criterion_the_targets_it_asks_for_at_the_size_of_each_map(name: str, maps: int) -> None:
    model = pixelwise.create(name, classes=CELLS, backbone="resnet18")
    model.criterion = Everything()
    parts = model.loss(model(torch.rand(2, 3, 32, 32)), [two_cells(1), two_cells(3)])
    assert parts["segments"] == 3
    if maps > 1:
        torch.testing.assert_close(parts["auxiliary"].item(), model.auxiliary_weight * 3.0 * (maps - 1))


def test_half_precision_becomes_single_and_double_stays() -> None:
    target = torch.zeros(1, 2, 2, dtype=torch.int64)
    assert full_precision(torch.zeros(1, 2, 2, 2, dtype=torch.bfloat16), target).dtype == torch.float32
    assert full_precision(torch.zeros(1, 2, 2, 2, dtype=torch.float64), target).dtype == torch.float64
