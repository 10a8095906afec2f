from __future__ import annotations

import pytest
import torch

from pixelwise.classes import Classes
from pixelwise.sample import Sample, collate
from pixelwise.segmentation import Segmentation

CLASSES = Classes(("a", "b"))


def sample(height: int, width: int, name: str = "p") -> Sample:
    generator = torch.Generator().manual_seed(height)
    image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    return Sample(image, Segmentation.from_class_map(image[0] % 2, CLASSES), name)


def test_a_batch_is_padded_right_and_below_with_void():
    samples = [sample(5, 7), sample(3, 9)]
    batch = collate(samples, multiple=4)
    assert batch.images.shape == (2, 3, 8, 12)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.sizes == ((5, 7), (3, 9))
    for n, one in enumerate(samples):
        h, w = one.size
        assert torch.equal(batch.images[n, :, :h, :w], one.image.float() / 255)
        assert not batch.images[n, :, h:].any()
        assert torch.equal(batch.truths[n].class_map()[:h, :w], one.truth.class_map())
        assert (batch.truths[n].class_map()[h:] == 255).all()
        assert (batch.truths[n].class_map()[:, w:] == 255).all()


def test_masks_are_padded_with_nothing():
    masks = torch.ones(1, 2, 3, dtype=torch.bool)
    one = Sample(torch.zeros(3, 2, 3, dtype=torch.uint8), Segmentation(CLASSES, torch.tensor([1]), masks=masks))
    assert collate([one, sample(4, 4)]).truths[0].areas().tolist() == [6]


def test_errors_teach():
    with pytest.raises(ValueError, match="4x4, but its mask is 7x5"):
        Sample(torch.zeros(3, 4, 4, dtype=torch.uint8), sample(5, 7).truth, "p")
    with pytest.raises(TypeError, match="uint8 from 0 to 255, not torch.float32"):
        Sample(torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match=r"must be \(3, H, W\)"):
        Sample(torch.zeros(4, 4, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="q has no ground truth"):
        collate([sample(4, 4), Sample(sample(4, 4).image, name="q")])
    with pytest.raises(ValueError, match="at least one"):
        collate([])
