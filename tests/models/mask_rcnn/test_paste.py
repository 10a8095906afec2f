"""Pasting of masks: compared with torchvision for whole pixels, with exact geometry for fractions of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import roi_align

from pixelwise.classes import Classes
from pixelwise.data.augmentation.transforms import resize_sample
from pixelwise.masks import Masks
from pixelwise.models.mask_rcnn.paste import paste, paste_masks
from pixelwise.ops.resize import Resizing
from pixelwise.sample import Sample, collate
from pixelwise.segmentation import Segmentation

HALF_A_GREY_LEVEL = 0.5 / 255


def soft_masks(number: int, cells: int = 28) -> torch.Tensor:
    coarse = torch.rand(number, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, (cells, cells), mode="bicubic").clamp(0, 1)[:, 0]


def random_boxes(number: int, size: tuple[int, int], spread: float = 0.0) -> torch.Tensor:
    """Boxes of 1 to many pixels, which reach out of the image by up to `spread` of its sides."""
    places = torch.rand(number, 2, 2, generator=torch.Generator().manual_seed(1)) * (1 + 2 * spread) - spread
    boxes = (places.sort(1).values * torch.tensor([size[1], size[0]])).flatten(1)
    reach = (boxes[:, 2:] > 0).all(1) & (boxes[:, 0] < size[1]) & (boxes[:, 1] < size[0])
    return boxes[reach]  # torchvision refuses the others


@pytest.mark.parametrize("cells", [1, 7, 28])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_whole_pixels_equal_torchvision(cells, spread):
    size = (97, 131)
    boxes = random_boxes(40, size, spread)
    soft = soft_masks(len(boxes), cells)
    boxes[0] = torch.tensor([3.0, 4, 3.2, 4.1])
    boxes[1] = torch.tensor([0.0, 0, 131, 97])
    boxes[2] = torch.tensor([-0.4, -0.4, 0.2, 0.3])
    theirs = paste_masks_in_image(soft[:, None], boxes, size, padding=1)[:, 0]
    assert (paste(soft, boxes, size, whole_pixels=True) - theirs).abs().max() < HALF_A_GREY_LEVEL


@pytest.mark.parametrize("whole_pixels", [False, True])
def test_the_compact_form_is_the_threshold_of_the_dense_one(whole_pixels):
    boxes, size = random_boxes(20, (60, 80), 0.2), (60, 80)
    soft = soft_masks(len(boxes))
    dense = paste(soft, boxes, size, whole_pixels=whole_pixels)
    for threshold in (0.3, 0.5):
        actual = paste_masks(soft, boxes, size, threshold=threshold, whole_pixels=whole_pixels)
        assert actual == Masks.from_dense(dense >= threshold)


def test_a_pixel_takes_the_mean_at_its_centre():
    soft, x1, y1, x2, y2 = soft_masks(1, 9), 11.37, 7.81, 40.2, 51.6
    pasted = paste(soft, torch.tensor([[x1, y1, x2, y2]]), (60, 70))[0]
    x = 2 * (torch.arange(70) + 0.5 - x1) / (x2 - x1) - 1
    y = 2 * (torch.arange(60) + 0.5 - y1) / (y2 - y1) - 1
    grid = torch.stack(torch.broadcast_tensors(x[None], y[:, None]), -1)[None]
    expected = torch.nn.functional.grid_sample(soft[None], grid, align_corners=False)[0, 0]
    assert (pasted - expected).abs().max() < 1e-4


@pytest.mark.parametrize("box", [[30.0, 5, 20, 9], [-50, -50, -10, -10], [200, 200, 300, 300], [5, 5, 5, 5]])
def test_boxes_without_pixels_give_empty_masks(box):
    assert paste_masks(torch.ones(1, 28, 28), torch.tensor([box]), (50, 60)).areas().tolist() == [0]


def test_no_masks_at_all():
    nothing = torch.zeros(0, 28, 28), torch.zeros(0, 4)
    assert paste(*nothing, (5, 6)).shape == (0, 5, 6)
    assert len(paste_masks(*nothing, (5, 6))) == 0


@dataclass(frozen=True)
class Ellipse:
    center: tuple[float, float]
    radii: tuple[float, float]
    turn: float

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Signed distance to the outline, exact to first order near it: pixels, negative inside."""
        x, y, cos, sin = x - self.center[0], y - self.center[1], np.cos(self.turn), np.sin(self.turn)
        u, v = (cos * x + sin * y) / self.radii[0], (cos * y - sin * x) / self.radii[1]
        slope = 2 * np.hypot(u / self.radii[0], v / self.radii[1])
        return (u**2 + v**2 - 1) / np.maximum(slope, 1e-9)

    def box(self) -> np.ndarray:
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        reach = [np.hypot(self.radii[0] * cos, self.radii[1] * sin), np.hypot(self.radii[0] * sin, self.radii[1] * cos)]
        return np.concatenate([np.subtract(self.center, reach), np.add(self.center, reach)])

    def rendered(self, height: int, width: int) -> np.ndarray:
        y, x = np.mgrid[:height, :width] + 0.5
        return self.distance(x, y) < 0


ELLIPSES = (
    Ellipse((80.3, 77.7), (31.2, 18.4), 0.6),
    Ellipse((170.9, 120.1), (11.3, 26.8), -0.3),
    Ellipse((60.6, 140.2), (25.0, 24.0), 0.0),
    Ellipse((190.1, 40.4), (17.7, 22.2), 1.1),
)
SIZE = (180, 240)


@pytest.mark.parametrize("cells", [28, 56])
@pytest.mark.parametrize("ellipse", ELLIPSES)
def test_a_perfect_prediction_lies_within_half_a_pixel(ellipse, cells):
    """Given the exact box and each cell's covered share, no pixel that is half a pixel off the outline is wrong."""
    x1, y1, x2, y2 = box = ellipse.box()
    fine = (np.arange(8 * cells) + 0.5) / (8 * cells)
    inside = ellipse.distance(x1 + fine[None] * (x2 - x1), y1 + fine[:, None] * (y2 - y1)) < 0
    soft = torch.from_numpy(inside.reshape(cells, 8, cells, 8).mean((1, 3)))[None]
    actual = paste_masks(soft, torch.from_numpy(box)[None], SIZE)[0].numpy()
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    off = ellipse.distance(x, y)
    assert actual[off < -0.5].all()
    assert not actual[off > 0.5].any()
    assert abs(x[actual].mean() - ellipse.center[0]) < 0.1
    assert abs(y[actual].mean() - ellipse.center[1]) < 0.1


@pytest.mark.parametrize("short_side", [120, 180, 251, 400])
def test_there_and_back_through_a_batch(short_side):
    """Rendered, resized, padded, predicted by an oracle that sees no more than the batch, and brought back.

    The oracle pools the ground truth of the batch within its own boxes, as a mask head is taught. Each of resizing by
    the nearest pixel and thresholding may move a pixel of the outline; no object may move by more than a quarter of
    one, nor grow, and no pixel further from the outline than one and a half of the coarser pixels may be wrong.
    """
    dense = torch.from_numpy(np.stack([ellipse.rendered(*SIZE) for ellipse in ELLIPSES]))
    truth = Segmentation(Classes(("thing",)), torch.zeros(len(dense), dtype=torch.int64), masks=dense)
    sample = resize_sample(Sample(torch.zeros(3, *SIZE, dtype=torch.uint8), truth), Resizing(short_side))
    batch = collate([sample], multiple=64)
    (seen,), ((height, width),) = batch.truths, batch.sizes
    assert seen.masks is not None
    rois = torch.column_stack([torch.arange(len(seen)), seen.boxes()])
    soft = roi_align(seen.masks.dense()[:, None].float(), rois, (56, 56), 1.0, 4, aligned=True)[:, 0]
    back = seen.boxes() * torch.tensor([SIZE[1] / width, SIZE[0] / height] * 2)
    actual = paste_masks(soft, back, SIZE)
    coarser = max(1.0, SIZE[0] / short_side)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    for ellipse, mask, true in zip(ELLIPSES, actual.dense().numpy(), dense.numpy(), strict=True):
        off = ellipse.distance(x, y)
        assert mask[off < -1.5 * coarser].all()
        assert not mask[off > 1.5 * coarser].any()
        assert abs(x[mask].mean() - x[true].mean()) < 0.25
        assert abs(y[mask].mean() - y[true].mean()) < 0.25
        assert abs(mask.sum() / true.sum() - 1) < 0.03
