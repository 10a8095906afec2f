"""The summary of a network against published numbers, PyTorch's own counter, and pixels that really matter."""

from __future__ import annotations

import json

import pytest
import torch
from cases import CASES, make
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

import pixelwise
from pixelwise.models.base import SemanticModel, SemanticOutputs
from pixelwise.summary.model_summary import Summary
from pixelwise.summary.receptive_field import FieldTracer


def weightless(name: str, **arguments) -> SemanticModel:
    with torch.device("meta"):
        return pixelwise.create(name, num_classes=21, **arguments)


def sees(summary: Summary, kernel: tuple[int, int], rate: int = 1) -> int | None:
    """Of the last layers with this kernel."""
    return [row.receptive_field for row in summary.layers if (row.kernel, row.rate) == (kernel, rate)][-1]


@pytest.fixture(scope="module")
def small() -> SemanticModel:
    return pixelwise.create("pspnet", num_classes=3, backbone="resnet18")


def test_fcn_sees_404_pixels_before_it_is_enlarged():
    """Long et al., table 1: FCN-VGG16 has a receptive field of 404 and a stride of 32."""
    summary = pixelwise.summarize(weightless("fcn32s"))
    assert sees(summary, (7, 7)) == 404
    assert max(summary.strides) == 32
    assert summary.receptive_field == 404 + 32  # a pixel lies between two of those
    assert summary.parameters == 134_346_581


def test_unet_sees_the_smallest_tiles():
    """Four pixels in a row come from 188, the smallest tile; a pixel between two such tiles sees 16 more."""
    summary = pixelwise.summarize(weightless("unet"), (388, 388))
    assert summary.receptive_field == 204
    assert summary.strides == (1, 2, 4, 8, 16)
    assert sum(row.number for row in summary.layers if "convolution" in row.kind) == 23
    assert sum(row.parameters for row in summary.layers) == summary.parameters == 31_033_045


def test_deeplab_s_large_field_of_view():
    """Chen et al. 2015: 3×3 of rate 12 covers 25×25 cells of 8 pixels."""
    summary = pixelwise.summarize(weightless("deeplabv1"))
    (wide,) = (row for row in summary.layers if row.rate == 12)
    assert (wide.kernel, wide.effective, wide.stride, wide.parameters) == ((3, 3), (25, 25), 8, 4_719_616)
    before = max(row.receptive_field for row in summary.layers if row.kind == "average pooling")
    assert wide.receptive_field == before + 24 * 8
    assert summary.parameters == 20_505_429


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "backbone", "published"),
    [
        ("fcn_resnet", "resnet50", 152.717),
        ("fcn_resnet", "resnet101", 232.738),
        ("deeplabv3", "resnet50", 178.722),
    ],
)
def test_torchvision_s_multiply_adds(name, backbone, published):
    """Theirs, for 520×520, count the auxiliary head of 65×65 cells too."""
    arguments = {"variant": "torchvision"} if name == "deeplabv3" else {}
    summary = pixelwise.summarize(weightless(name, backbone=backbone, auxiliary=True, **arguments), (520, 520))
    auxiliary = 65 * 65 * (1024 * 256 * 9 + 256 * 21)
    assert round((summary.multiply_adds + auxiliary) / 1e9, 3) == published


def test_pspnet_sees_the_whole_image():
    summary = pixelwise.summarize(weightless("pspnet"), (473, 473))
    assert summary.receptive_field is None
    assert summary.strides == (2, 4, 8)
    assert summary.parameters == 49_081_578
    assert {row.rate: row.effective for row in summary.layers if row.kernel == (3, 3)} == {
        1: (3, 3),
        2: (5, 5),
        4: (9, 9),
    }
    assert [row.number for row in summary.layers if row.stride is None] == [4]  # one convolution for each bin


def test_the_counter_of_pytorch_agrees(small):
    small.eval().auxiliary_heads = False
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        small(torch.zeros(1, 3, 50, 70))
    small.auxiliary_heads = True
    assert pixelwise.summarize(small, (50, 70)).multiply_adds == counter.get_total_flops() / 2


@pytest.mark.slow
@pytest.mark.parametrize("case", {name: case for case, (name, _) in CASES.items()}.values())  # one of each
def test_every_model_has_one_and_stays_as_it_is(case):
    model = make(case).train()
    frozen = next(module for module in model.modules() if not list(module.children())).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    summary = pixelwise.summarize(model, (64, 96))
    assert summary.parameters == sum(p.numel() for p in model.parameters()) > 0
    assert summary.multiply_adds == sum(row.multiply_adds for row in summary.layers) > 0
    assert 0 <= summary.parameters - sum(row.parameters for row in summary.layers) < summary.parameters
    assert summary.receptive_field is None or summary.receptive_field > 30
    assert model.training and not frozen.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "unet", "width": 4},
        {"name": "unet_padded", "width": 4},
        {"name": "fcn8s", "backbone": "resnet18"},
    ],
    ids=lambda arguments: arguments["name"],
)
def test_exactly_the_pixels_in_the_field_matter(arguments):
    """What is not a number spreads from one column to all that depend on it (corners not aligned: weights of zero)."""
    model = pixelwise.create(num_classes=2, **arguments).eval()
    image = torch.rand(1, 3, 64, 512)
    tensors = {name: t.to("meta") for name, t in (*model.named_parameters(), *model.named_buffers())}
    with torch.no_grad(), FieldTracer(shape := image.to("meta")) as tracer:
        spans = tracer.fields[functional_call(model, tensors, (shape,)).logits].spans["x"]
    for column in (0, 200, 255, 256, 311):
        blind = image.clone()
        blind[..., column] = torch.nan
        with torch.no_grad():
            lost = model(blind).logits.isnan().any(0).any(0).any(0).numpy()
        assert (lost == ((spans[0] <= column) & (column <= spans[1]))).all(), column


def test_what_is_trained_and_what_is_not(small):
    for parameter in small.backbone.parameters():
        parameter.requires_grad = False
    summary = pixelwise.summarize(small)
    for parameter in small.backbone.parameters():
        parameter.requires_grad = True
    assert summary.parameters - summary.trainable == sum(p.numel() for p in small.backbone.parameters())
    assert f"{summary.trainable:,} trainable" in summary.table()


def test_the_table_and_the_record(small):
    summary = pixelwise.summarize(small, (240, 320))
    lines = summary.table().splitlines()
    assert lines[0].endswith("stride  number  parameters  multiply-adds  sees")
    assert len({len(line) for line in lines[: len(summary.layers) + 1]}) == 1  # the numbers end below each other
    assert any(line.startswith("convolution ") and " 9×9 " in line for line in lines)
    assert "for an image of 320x240" in summary.table() and "the whole image" in summary.table()
    record = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert record["receptive_field"] is None and record["size"] == [240, 320]
    assert record["layers"][0]["kernel"] == [7, 7]


def test_shared_weights_count_once():
    class Twice(SemanticModel):
        def __init__(self) -> None:
            super().__init__(2)
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.linear = nn.Linear(3, 2, bias=False)

        def forward(self, images):
            x = self.conv(self.conv(images)).permute(0, 2, 3, 1)
            return SemanticOutputs(self.linear(x).permute(0, 3, 1, 2))

    summary = pixelwise.summarize(Twice(), (10, 20))
    assert [(row.kind, row.number, row.parameters, row.multiply_adds) for row in summary.layers] == [
        ("convolution", 2, 84, 2 * 81 * 200),
        ("matrix product", 1, 6, 6 * 200),
    ]
    assert (summary.name, summary.receptive_field, summary.strides) == ("Twice", 5, (1,))


def test_a_size_that_cannot_be(small):
    with pytest.raises(ValueError, match=r"size is \(0, 5\)"):
        pixelwise.summarize(small, (0, 5))
