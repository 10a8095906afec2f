"""What a network sees, against what really reaches it: pixels that are not a number, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from pixelwise.ops.pad import mirror
from pixelwise.summary.receptive_field import FieldTracer

HEIGHT, WIDTH = 23, 31


class Lambda(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.forward = function


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=2, dilation=2), nn.Conv2d(3, 4, (1, 5), padding=(0, 2))
        self.c = nn.Conv2d(8, 4, 3, stride=2, padding=1, groups=4)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.cat([self.a(x), self.b(x)], 1)) + F.max_pool2d(self.a(x), 3, 2, 1)


class ChannelsLast(nn.Module):
    """As in ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(3, 4, 3, 2), nn.LayerNorm(4), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm(self.conv(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def unaligned(x: Tensor) -> Tensor:
    """Without its border, where a neighbour of weight zero is not a number either."""
    small = F.interpolate(F.avg_pool2d(x, 4), scale_factor=2, mode="bilinear", align_corners=False)[..., 1:-1, 1:-1]
    return F.pad(F.interpolate(small, (20, 27), mode="nearest")[..., 2:-1, 1::2].flip(-1), (2, 0, 0, -1))


NETWORKS = {
    "convolutions": nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 2, (5, 3), padding=(2, 0))),
    "branches": Residual(),
    "pooling that rounds up": nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2, 1)),
    "transposed": nn.Sequential(nn.Conv2d(3, 4, 3, 3), nn.ConvTranspose2d(4, 2, 5, 3, 1, dilation=2)),
    "channels last": ChannelsLast(),
    "resized, cropped, padded, flipped": Lambda(unaligned),
    "mirrored": Lambda(lambda x: F.max_pool2d(mirror(x, 5, (40, 44)), 3)),
    "norms of channels": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Conv2d(4, 4, 3)),
    "views": Lambda(lambda x: torch.stack([m.unsqueeze(1) for m in x.flatten(2).view(x.shape).unbind(1)], 1)[:, :, 0]),
    "attention over channels": Lambda(lambda x: x * F.avg_pool2d(x, 3, 1, 1).softmax(1).sum(1, keepdim=True)),
}

MIXING = {
    "squeezed": Lambda(lambda x: x * x.mean((2, 3), keepdim=True)),
    "pooled": Lambda(lambda x: F.interpolate(F.adaptive_avg_pool2d(x, 3), (HEIGHT, WIDTH), mode="bilinear")),
    "attention": Lambda(lambda x: F.scaled_dot_product_attention(*[x.flatten(2).mT] * 3).mT.view(x.shape)),
    "group norm": nn.GroupNorm(1, 3),
    "windows": Lambda(lambda x: x[..., :20, :30].reshape(1, 3, 5, 4, 30)),
    "rolled": Lambda(lambda x: x.roll(2, -1)),
}


def followed(network: nn.Module) -> tuple[dict[str, np.ndarray] | None, int | None]:
    """The spans of each row and column of the output, and the longest."""
    image = torch.empty(1, 3, HEIGHT, WIDTH, device="meta")
    tensors = {name: t.to("meta") for name, t in (*network.named_parameters(), *network.named_buffers())}
    with torch.no_grad(), FieldTracer(image) as tracer:
        output = functional_call(network.eval(), tensors, (image,))
    reach = tracer.longest(output)
    spans = tracer.fields[output].spans
    return {axis: np.broadcast_to(spans[axis], (2, output.shape[k])) for axis, k in (("y", -2), ("x", -1))}, reach


def reached(touched: np.ndarray) -> np.ndarray:
    """(pixels, outputs) → (2, outputs): the first and the last pixel that touch each output."""
    return np.stack([touched.argmax(0), len(touched) - 1 - touched[::-1].argmax(0)])


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_not_a_number_spreads_as_far(name):
    torch.manual_seed(0)
    network = NETWORKS[name].eval()
    spans, reach = followed(network)
    for axis, side in (("y", HEIGHT), ("x", WIDTH)):
        batch = torch.rand(side, 3, HEIGHT, WIDTH)
        images = torch.arange(side)
        batch[(images, slice(None), images) if axis == "y" else (images, slice(None), slice(None), images)] = torch.nan
        with torch.no_grad():
            lost = network(batch).isnan()
        touched = lost.any(1).any(2 if axis == "y" else 1).numpy()
        found = spans[axis].copy()
        nothing = ~touched.any(0)
        assert (found[0] > found[1]).tolist() == nothing.tolist()
        assert np.array_equal(found[:, ~nothing], reached(touched)[:, ~nothing]), axis
    assert reach == max(int((span[1] - span[0]).max()) + 1 for span in spans.values())


def test_aligned_corners_by_gradients():
    """Neighbours of weight zero do not count, which only a gradient tells."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 3, 2, 1), nn.Upsample((HEIGHT, WIDTH), mode="bilinear", align_corners=True), nn.Conv2d(2, 1, 3)
    )
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)
    spans, _ = followed(network)
    image = torch.rand(1, 3, HEIGHT, WIDTH, requires_grad=True)
    output = network(image)
    for axis, k in (("y", 2), ("x", 3)):
        for position in range(output.shape[k]):
            (gradient,) = torch.autograd.grad(output.select(k, position).sum(), image, retain_graph=True)
            touched = (gradient.abs() > 1e-7).any(1).any(5 - k - 1)[0].nonzero()
            assert spans[axis][:, position].tolist() == [touched.min(), touched.max()]


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_distant_pixels_sees_the_whole_image(name):
    _, reach = followed(MIXING[name])
    assert reach is None


def test_what_does_not_depend_on_the_image_sees_nothing():
    image = torch.empty(1, 3, 8, 8, device="meta")
    with FieldTracer(image) as tracer:
        other = torch.ones(1, 3, 8, 8, device="meta") * 2
    assert tracer.longest(other) == 0
    assert tracer.rows(other) is None
