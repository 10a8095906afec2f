"""Faster R-CNN: objects of a ground truth, crowds, proposals and detections by hand."""

from __future__ import annotations

import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.models.mask_rcnn.faster_rcnn import RATIOS, BoxBranch, BoxVariant, ProposalNetwork, truth_objects
from pixelwise.ops.boxes import encode
from pixelwise.segmentation import Segmentation

EVERY = 10**6
SIZES = (8, 16, 32, 64, 128)
FIVE = Classes.numbered(5)


def truth(masks: torch.Tensor, labels: list[int], crowd=None) -> Segmentation:
    return Segmentation(FIVE, torch.tensor(labels), masks=masks, crowd=crowd)


def maps() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, 8, 16 >> k, 16 >> k, generator=generator) for k in range(5)]


def test_awkward_objects_are_left_out():
    masks = torch.zeros(5, 32, 32, dtype=torch.bool)
    masks[0, 3:9, 4:20] = masks[1, 10, 10] = masks[3, 0:5, 0:5] = masks[4, 20:, 20:] = True
    objects = truth_objects(truth(masks, [2, 1, 3, 0, 4], crowd=torch.tensor([False, False, False, False, True])))
    assert objects.boxes.tolist() == [[4, 3, 20, 9], [10, 10, 11, 11]]  # not the empty one, not the background
    assert objects.labels.tolist() == [2, 1]
    assert objects.indices.tolist() == [0, 1]
    assert objects.crowds.tolist() == [[20, 20, 32, 32]]


def test_crowds_are_no_negatives():
    torch.manual_seed(0)
    variant = BoxVariant(anchors_sampled=EVERY, regions_sampled=EVERY)
    network, branch = ProposalNetwork(8, SIZES, RATIOS, variant), BoxBranch(8, 5, variant)
    masks = torch.zeros(2, 64, 64, dtype=torch.bool)
    masks[0, 4:20, 4:20] = masks[1, 24:, 24:] = True
    with torch.no_grad():
        logits, deltas = network(maps())
        crowded = truth_objects(truth(masks, [1, 1], crowd=torch.tensor([False, True])))
        alone = truth_objects(truth(masks[:1], [1]))
        anchors = torch.cat(network.anchors(logits))
        with_negatives = float(network.loss(logits, deltas, [alone])[0])
        without = float(network.loss(logits, deltas, [crowded])[0])
        before = branch.sample_regions([anchors], [alone])
        after = branch.sample_regions([anchors], [crowded])
    assert without < with_negatives  # fewer anchors are sampled, all else equal
    ignored = {tuple(box) for box in before.boxes[0].tolist()} - {tuple(box) for box in after.boxes[0].tolist()}
    assert ignored
    assert all(x1 + x2 > 48 and y1 + y2 > 48 for x1, y1, x2, y2 in ignored)


def test_the_best_anchor_becomes_the_first_proposal():
    network = ProposalNetwork(8, SIZES, (1.0,), BoxVariant())
    logits = [torch.zeros(1, 1, 16 >> k, 16 >> k) for k in range(5)]
    deltas = [torch.zeros(1, 4, 16 >> k, 16 >> k) for k in range(5)]
    logits[1][0, 0, 3, 5] = 4  # stride 8, side 16: x 32 to 48, y 16 to 32
    deltas[1][0, :, 3, 5] = encode(torch.tensor([[30.0, 20, 46, 36]]), torch.tensor([[32.0, 16, 48, 32]]))[0]
    (proposals,) = network.propose(logits, deltas, [(60, 40)], pre_nms=10, post_nms=3)
    assert proposals.shape == (3, 4)
    assert proposals[0].tolist() == pytest.approx([30, 20, 40, 36], abs=1e-4)  # clipped to the image


def test_detections_by_hand():
    branch = BoxBranch(8, 3, BoxVariant())
    proposals = [torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 40], [50, 50, 60, 60]])]
    logits = torch.tensor([[0.0, 5, 0], [0, 4, 0], [0, 0, 3], [9, 0, 0]])
    deltas = torch.zeros(4, 3, 4)
    deltas[2, 2] = torch.tensor([5.0, 0, 0, 0])  # half a width to the right, by the weights of the coder
    (detections,) = branch.detect(logits, deltas, proposals, [(64, 32)], score_threshold=0.05, max_detections=10)
    assert detections.labels.tolist() == [1, 2]
    assert detections.boxes.tolist() == [[0, 0, 10, 10], [25, 20, 32, 40]]
    assert detections.scores.tolist() == pytest.approx(logits.softmax(1)[[0, 2], [1, 2]].tolist())
    (one,) = branch.detect(logits, deltas, proposals, [(64, 32)], score_threshold=0.05, max_detections=1)
    assert one.labels.tolist() == [1]
