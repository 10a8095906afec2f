from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from pixelwise import Classes, Sample, Segmentation
from pixelwise.data.augmentation.color_jitter import Jitter
from pixelwise.data.augmentation.copy_paste import paste
from pixelwise.data.augmentation.transforms import AUGMENTATIONS, Augmentation, augmentation, resize_sample
from pixelwise.data.augmentation.warp import Elastic, coordinates
from pixelwise.masks import Masks
from pixelwise.ops.resize import Resizing
from pixelwise.sample import collate

CELL = 6  # pixels of the image a cell of the ground truth
GAIN = 6  # grey levels a pixel: coordinates are read back to a twelfth of a pixel


def coordinates_sample(height: int = 300, width: int = 340, left: int = 150, top: int = 130) -> Sample:
    """Red is GAIN times the column and green GAIN times the row from (left, top) on; blue marks where both are valid.

    Each cell of CELL×CELL pixels of the ground truth is a segment of its own.
    """
    y, x = np.mgrid[0:height, 0:width]
    red, green = GAIN * (x - left), GAIN * (y - top)
    image = np.stack([red.clip(0, 255), green.clip(0, 255), np.zeros_like(red)], -1).astype(np.uint8)
    columns = -(-width // CELL)
    ids = (y // CELL * columns + x // CELL + 1).astype(np.int32)
    labels = torch.zeros(int(ids.max()), dtype=torch.int64)
    # The score of a segment says which cell it is, however it may be renumbered.
    scores = torch.arange(len(labels)) / len(labels)
    truth = Segmentation(Classes(("cell",)), labels, scores.float(), ids=torch.from_numpy(ids))
    return Sample(torch.from_numpy(image).permute(2, 0, 1), truth, "coordinates")


def cells(truth: Segmentation, number: int) -> np.ndarray:
    """(H, W): the cell of each pixel, −1 where void."""
    assert truth.scores is not None and truth.ids is not None
    table = np.concatenate([[-1], np.rint(truth.scores.numpy() * number)]).astype(int)
    return table[truth.ids.numpy()]


def misplaced(sample: Sample, found: Sample, left: int = 150, top: int = 130) -> np.ndarray:
    """Pixels of the source by which image and ground truth disagree, at each pixel where the image says where it is.

    The image tells the coordinate to 1/GAIN; the nearest pixel of the ground truth is [first − ½, last + ½] of its
    cell.
    """
    assert sample.truth is not None and found.truth is not None
    cell = cells(found.truth, len(sample.truth))
    columns = -(-sample.size[1] // CELL)
    image = found.image.numpy().astype(float)
    readable = (image[:2] > 2 * GAIN).all(0) & (image[:2] < 255 - 2 * GAIN).all(0) & (cell >= 0)
    errors = []
    for channel, start, at in ((0, left, cell % columns), (1, top, cell // columns)):
        where = image[channel] / GAIN + start
        errors += [at * CELL - 0.5 - where, where - (at * CELL + CELL - 0.5)]
    return np.maximum.reduce(errors)[readable]


GEOMETRY = list(itertools.product((0.45, 0.8, 1.0, 1.9), (0.0, 1.0), (0.0, 1.0), (0.0, 35.0), (None, Elastic(24, 2.5))))


@pytest.mark.parametrize(("scale", "flip", "vertical", "rotate", "elastic"), GEOMETRY)
def test_image_and_truth_move_alike(scale, flip, vertical, rotate, elastic):
    sample = coordinates_sample()
    augment = Augmentation((150, 170), (scale, scale), Resizing(), flip, vertical, rotate, elastic)
    seen = [misplaced(sample, augment(sample, np.random.default_rng(seed))) for seed in range(12)]
    errors = np.concatenate(seen)
    assert len(errors) > 400
    assert errors.max() <= 0.25


def test_the_check_sees_a_shift():
    sample = coordinates_sample()
    moved = Sample(sample.image.roll(1, 2), sample.truth)
    assert misplaced(sample, moved).max() > 0.25
    assert misplaced(sample, sample).max() <= 0


@pytest.mark.parametrize("scale", [0.3, 0.45, 0.6, 0.9, 1.3, 2.0])
@pytest.mark.parametrize("elastic", [None, Elastic(1000, 0)])
def test_scaling_has_no_bias(scale, elastic):
    """A centred scale leaves the middle of the image in the middle: the mean error is far below a quarter pixel."""
    sample = coordinates_sample(300, 300, 130, 130)
    size = (round(300 * scale),) * 2
    found = Augmentation(size, (scale, scale), flip=0, elastic=elastic)(sample, np.random.default_rng(0))
    image = found.image.numpy().astype(float)
    at = (np.arange(size[0]) + 0.5) / scale - 0.5
    readable = (at > 132) & (at < 168)
    rounding = 0.5 / GAIN
    assert np.abs(image[0][:, readable] / GAIN + 130 - at[readable]).max() <= 2 * rounding + 0.02
    assert np.abs((image[0][:, readable] / GAIN + 130 - at[readable]).mean()) <= rounding + 1e-9


@pytest.mark.parametrize("elastic", [None, Elastic(1000, 0)])
@pytest.mark.parametrize("scale", [0.2, 0.45, 0.5, 0.55, 0.7])
def test_shrinking_averages(scale, elastic):
    """Stripes of one pixel, which a plain bilinear scale turns into moiré, become almost even grey."""
    image = torch.zeros(3, 200, 200, dtype=torch.uint8)
    image[:, :, ::2] = 200
    for seed in range(5):
        found = Augmentation((30, 30), (scale, scale), elastic=elastic)(
            Sample(image), np.random.default_rng(seed)
        ).image
        plain = torch.nn.functional.interpolate(image[None].float(), scale_factor=scale, mode="bilinear")[0]
        assert abs(float(found.float().mean()) - 100) < 6
        assert float(found.float().std()) < max(8, 0.75 * float(plain.std()))


def test_a_crop_is_a_copy():
    sample = coordinates_sample(100, 90)
    noise = torch.randint(0, 256, (3, 100, 90), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sample = Sample(noise, sample.truth)
    found = augmentation("none", (40, 30))(sample, np.random.default_rng(3))
    windows = noise.unfold(1, 40, 1).unfold(2, 30, 1)
    equal = (windows == found.image[:, None, None]).all(-1).all(-1).all(0).nonzero()
    assert len(equal) == 1
    (y, x) = equal[0].tolist()
    expected = cells(sample.truth, len(sample.truth))[y : y + 40, x : x + 30]
    assert (cells(found.truth, len(sample.truth)) == expected).all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 500), (37, 20), (300, 200)])
def test_every_size_in_every_strength(name, height, width):
    image = torch.full((3, height, width), 90, dtype=torch.uint8)
    truth = Segmentation.from_class_map(torch.ones(height, width, dtype=torch.uint8), Classes(("no", "yes")))
    augment = augmentation(name, (48, 64))
    for seed in range(4):
        found = augment(Sample(image, truth, "x"), np.random.default_rng(seed))
        assert found.size == (48, 64)
        assert found.name == "x"
        assert found.truth is not None
        assert found.image.permute(1, 2, 0).is_contiguous()
        covered = found.truth.panoptic_map() > 0
        assert len(found.truth) == int(covered.any())
    other = augment(Sample(image, truth), np.random.default_rng(0), size=(32, 16))
    assert other.size == (32, 16)


def test_outside_is_black_and_void():
    sample = Sample(
        torch.full((3, 20, 30), 200, dtype=torch.uint8),
        Segmentation.from_class_map(torch.zeros(20, 30, dtype=torch.uint8), Classes(("all",))),
    )
    found = Augmentation((64, 64), jitter=Jitter())(sample, np.random.default_rng(0))
    covered = found.truth.class_map() == 0
    assert int(covered.sum()) == 600
    assert (found.image[:, ~covered] == 0).all()
    assert (found.image[:, covered] > 0).all()


def test_masks_follow_as_ids_do_and_boxes_with_them():
    base = coordinates_sample(120, 120, 20, 20)
    keep = torch.arange(0, len(base.truth), 7)
    ids = base.truth.select(keep)
    masks = torch.stack([ids.mask(n) for n in range(len(ids))])
    crowd = torch.arange(len(ids)) % 5 == 0
    ids = Segmentation(ids.classes, ids.labels, ids.scores, ids=ids.ids, crowd=crowd)
    overlapping = Segmentation(ids.classes, ids.labels, ids.scores, masks=masks, crowd=crowd)
    augment = augmentation("strong", (60, 60))
    for seed in range(5):
        one = augment(Sample(base.image, ids), np.random.default_rng(seed)).truth
        two = augment(Sample(base.image, overlapping), np.random.default_rng(seed)).truth
        assert 0 < len(one) < len(ids)
        assert torch.equal(one.scores, two.scores)
        assert torch.equal(one.crowd, two.crowd)
        assert torch.equal(one.boxes(), two.boxes())
        assert all(torch.equal(one.mask(n), two.mask(n)) for n in range(len(one)))
        assert (one.areas() > 0).all()


def test_masks_that_overlap_move_as_each_does_alone():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(6, 1, 8, 8, generator=generator)
    masks = torch.nn.functional.interpolate(coarse, (90, 110), mode="bicubic")[:, 0] > 0.5
    assert (masks.sum(0) > 2).any()
    image, labels = torch.zeros(3, 90, 110, dtype=torch.uint8), torch.zeros(6, dtype=torch.int64)
    truth = Segmentation(Classes(("cell",)), labels, masks=masks)
    for seed, name in enumerate(("light", "strong", "topdown")):
        augment = augmentation(name, (70, 60), (0.8, 1.2))
        together = augment(Sample(image, truth), np.random.default_rng(seed)).truth
        assert len(together) == 6
        for n in range(6):
            alone = augment(Sample(image, truth.select(torch.tensor([n]))), np.random.default_rng(seed)).truth
            assert torch.equal(alone.mask(0), together.mask(n))


def test_images_without_objects():
    classes = Classes(("background", "cell"), background=0)
    image = torch.zeros(3, 50, 60, dtype=torch.uint8)
    none = torch.zeros(0, dtype=torch.int64)
    for carrier in (
        {"masks": torch.zeros(0, 50, 60, dtype=torch.bool)},
        {"ids": torch.zeros(50, 60, dtype=torch.int32)},
    ):
        for name in AUGMENTATIONS:
            found = augmentation(name, (32, 48))(
                Sample(image, Segmentation(classes, none, **carrier)), np.random.default_rng(0)
            )
            assert found.truth.size == (32, 48)
            assert len(found.truth) == 0
    assert augmentation("strong", (32, 48))(Sample(image), np.random.default_rng(0)).truth is None


def test_the_same_state_gives_the_same_view():
    sample = coordinates_sample(120, 120, 20, 20)
    augment = augmentation("strong", (60, 60))
    one, two, other = (augment(sample, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(one.image, two.image)
    assert one.truth == two.truth
    assert not torch.equal(one.image, other.image)


def test_memory_layout_does_not_matter():
    sample = coordinates_sample(120, 130, 20, 20)
    planar = Sample(sample.image.contiguous(), sample.truth)
    for name in AUGMENTATIONS:
        one, two = (augmentation(name, (60, 60))(s, np.random.default_rng(1)) for s in (sample, planar))
        assert torch.equal(one.image, two.image)


def test_resizing_belongs_to_the_mapping():
    sample = coordinates_sample(200, 300, 60, 60)
    augment = Augmentation((100, 150), resizing=Resizing(short_side=100), flip=0)
    found, plain = augment(sample, np.random.default_rng(0)), resize_sample(sample, Resizing(short_side=100))
    assert torch.equal(found.image, plain.image)
    assert found.truth == plain.truth


@pytest.mark.parametrize("size", [(90, 120), (33, 44), (300, 400), (150, 200)])
def test_resized_moves_image_and_truth_alike(size):
    sample = coordinates_sample(150, 200, 70, 60)
    found = resize_sample(sample, Resizing(short_side=size[0]))
    assert found.size == size
    assert misplaced(sample, found, 70, 60).max() <= 0.25
    assert resize_sample(sample, Resizing()) is sample


def test_elastic_displacements_have_the_stated_size():
    """At the nodes the field is Gaussian with sigma; U-Net's 3×3 grid over 512 pixels moves far-off pixels alike."""
    still, x_moves, rng = np.array([[1.0, 0, 0], [0, 1, 0]]), [], np.random.default_rng(0)
    for _ in range(30):
        x, _y = coordinates(still, (257, 257), Elastic(32, 6), rng)
        x_moves.append((x - np.arange(257))[::32, ::32])
    assert np.std(x_moves) == pytest.approx(6, rel=0.05)
    x, y = coordinates(still, (512, 512), Elastic(256, 10), rng)
    for moves in (x - np.arange(512), y - np.arange(512)[:, None]):
        assert np.abs(np.diff(moves)).max() < 0.5
        assert np.abs(moves).max() > 2


def jittered(image: torch.Tensor, jitter: Jitter, seed: int = 0) -> torch.Tensor:
    return Augmentation(tuple(image.shape[1:]), flip=0, jitter=jitter)(Sample(image), np.random.default_rng(seed)).image


def test_grey_stays_grey():
    image = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).repeat(3, 1, 1)
    for seed in range(20):
        red, green, blue = jittered(image, Jitter(0.5, 0.5, 1.0, 0.5), seed).int()
        assert max(int((red - green).abs().max()), int((red - blue).abs().max())) <= 1


@pytest.mark.parametrize(
    ("name", "enhance"), [("brightness", "Brightness"), ("contrast", "Contrast"), ("saturation", "Color")]
)
def test_one_jitter_alone_equals_pillow(name, enhance):
    pixels = np.random.default_rng(1).integers(60, 160, (24, 24, 3), dtype=np.uint8)
    jitter = Jitter(**{"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, name: 0.4})
    grey = float((pixels.mean((0, 1)) * (0.299, 0.587, 0.114)).sum())
    matrix = jitter.matrix(np.array([0.75, 0.75, 0.75, 0.0]), grey)
    found = pixels @ matrix[:, :3].T + matrix[:, 3]
    expected = getattr(ImageEnhance, enhance)(Image.fromarray(pixels)).enhance(1.3)
    assert np.abs(found - np.asarray(expected)).max() <= 1.6


def test_hue_keeps_the_luma_and_a_whole_turn_changes_nothing():
    image = torch.randint(90, 130, (3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    luma = np.array([0.299, 0.587, 0.114])
    turned = Jitter(0, 0, 0, 0.5).matrix(np.array([0, 0, 0, 0.6]), 100.0)
    assert np.allclose(luma @ turned[:, :3], luma, atol=1e-9)
    assert not np.allclose(turned[:, :3], np.eye(3), atol=0.1)
    half = Jitter(0, 0, 0, 0.5).matrix(np.array([0, 0, 0, 1.0]), 100.0)[:, :3]
    assert np.allclose(half @ half, np.eye(3), atol=1e-9)
    assert torch.equal(jittered(image, Jitter(0, 0, 0, 0)), image)


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match="did you mean 'strong'"):
        augmentation("strongg", (8, 8))
    with pytest.raises(ValueError, match="folds"):
        Elastic(8, 6)
    with pytest.raises(ValueError, match="scale"):
        Augmentation((8, 8), (2.0, 0.5))
    with pytest.raises(ValueError, match="size"):
        Augmentation((0, 8))
    with pytest.raises(ValueError, match="flip"):
        Augmentation((8, 8), flip=1.5)
    with pytest.raises(ValueError, match="hue"):
        Jitter(hue=0.7)


def test_three_scales_and_more_are_a_choice():
    """DeepLab v2 draws one of five."""
    white = Sample(torch.full((3, 40, 40), 255, dtype=torch.uint8))
    augment = Augmentation((64, 64), (0.5, 0.75, 1.0, 1.25, 1.5))
    views = [augment(white, np.random.default_rng(seed)).image for seed in range(60)]
    assert {int((view[0] > 0).any(0).sum()) for view in views} == {20, 30, 40, 50, 60}
    with pytest.raises(ValueError, match="the smaller first"):
        Augmentation((64, 64), (0.5, 1.5, 1.0))


def test_pspnet_rotates_half_and_blurs_half():
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    sample = Sample(torch.from_numpy(noise).permute(2, 0, 1))
    blurred = torch.from_numpy(cv2.GaussianBlur(noise, (5, 5), 0)).permute(2, 0, 1)
    augment = Augmentation((48, 48), flip=0, **AUGMENTATIONS["pspnet"])
    views = [augment(sample, np.random.default_rng(seed)).image for seed in range(400)]
    for wanted in (sample.image, blurred):
        assert 0.19 < sum(torch.equal(view, wanted) for view in views) / len(views) < 0.31


@pytest.mark.parametrize(("height", "width"), [(300, 200), (40, 90), (64, 96)])
def test_large_scale_jitter_counts_from_the_size_that_fits(height, width):
    """From a tenth to twice the size at which the whole image just fits; what the image does not reach is black."""
    sample = Sample(torch.full((3, height, width), 90, dtype=torch.uint8))
    fit = min(64 / height, 96 / width)
    for factor in (0.1, 0.5, 1.0):
        found = Augmentation((64, 96), (factor, factor), Resizing(7), scale_to_fit=True)(
            sample, np.random.default_rng(1)
        )
        covered = (found.image[0] == 90).numpy()
        assert abs(covered.any(1).sum() - height * fit * factor) <= 0.5
        assert abs(covered.any(0).sum() - width * fit * factor) <= 0.5
    views = [augmentation("lsj", (64, 96))(sample, np.random.default_rng(seed)).image[0] == 90 for seed in range(60)]
    shares = [float(view.float().mean()) for view in views]
    assert min(shares) < 0.1
    assert max(shares) > 0.8


def test_objects_that_vanish_are_dropped_and_others_keep_what_they_are():
    masks = torch.zeros(4, 40, 40, dtype=torch.bool)
    masks[0, :40, :40] = True
    masks[1, 0, 0] = True
    masks[3, 10:30, 10:30] = True
    truth = Segmentation(
        Classes(("a", "b", "c")),
        torch.tensor([0, 1, 1, 2]),
        torch.tensor([0.1, 0.2, 0.3, 0.4]),
        masks=masks,
        crowd=torch.tensor([True, False, False, False]),
    )
    sample = Sample(torch.zeros(3, 40, 40, dtype=torch.uint8), truth)
    for seed in range(5):
        found = Augmentation((20, 20), (0.25, 0.25))(sample, np.random.default_rng(seed)).truth
        assert found.labels.tolist()[:1] == [0]
        assert found.labels.tolist()[-1:] == [2]
        assert (found.areas() > 0).all()
        assert found.crowd.tolist() == [True] + [False] * (len(found) - 1)
        assert found.scores[-1] == truth.scores[3]
        assert found.areas()[-1] == 25


def crowded(number: int) -> Sample:
    """That many objects that overlap, every tenth without a pixel, every seventh of one pixel, and a crowd over all."""
    rng = np.random.default_rng(number)
    parts = [(torch.ones(150, 200, dtype=torch.bool), (0, 0))]
    for n in range(1, number):
        height, width = (0, 0) if n % 10 == 0 else (1, 1) if n % 7 == 0 else rng.integers(2, 40, 2)
        place = int(rng.integers(200 - width)), int(rng.integers(150 - height))
        parts.append((torch.from_numpy(rng.random((height, width)) < 0.9), place))
    masks = Masks.from_crops(parts[:number], (150, 200))
    labels = torch.from_numpy(rng.integers(1, 3, number))
    truth = Segmentation(
        Classes(("ground", "cell", "dust"), (), (False, True, True), 0),
        labels,
        masks=masks,
        crowd=torch.arange(number) == 0,
    )
    return Sample(torch.from_numpy(rng.integers(0, 256, (3, 150, 200), np.uint8)), truth, f"{number} objects")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_many_few_and_no_objects_through_augmentation_and_batches(name):
    """500 objects in one image, none in another: what vanishes is dropped, boxes are those of what is left."""
    augment = augmentation(name, (96, 128))
    for seed in range(2):
        views = []
        for k, sample in enumerate([crowded(500), crowded(0), crowded(3)]):
            rng = np.random.default_rng((seed, k))
            view = augment(sample, rng)
            views.append(paste(view, augment(crowded(40), rng), rng) if augment.paste else view)
        batch = collate(views, 32)
        assert torch.isfinite(batch.images).all()
        for truth in batch.truths:
            assert truth.size == (96, 128)
            assert truth.masks is not None and len(truth.masks) == len(truth)
            assert (truth.areas() > 0).all()
            for n in range(0, len(truth), 23):
                y, x = truth.mask(n).nonzero().T
                assert truth.boxes()[n].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert len(batch.truths[0]) > 50
        assert augment.paste or len(batch.truths[1]) == 0
