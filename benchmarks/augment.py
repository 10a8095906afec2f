"""Augmentation, one thread: a 1024×2048 image with its mask, or a 480×640 one with objects, to a 512×512 crop.

    python benchmarks/augment.py [--image STREET.jpg]

Everybody gets the image decoded and gives image and mask; pixelwise takes a `Sample` and gives a checked `Sample`.
Writes benchmarks/results/augment.txt. albumentations is compared where it is installed.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}

import argparse
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from pixelwise import Classes, Sample, Segmentation
from pixelwise.data.augmentation.color_jitter import Jitter
from pixelwise.data.augmentation.transforms import Augmentation
from pixelwise.data.augmentation.warp import Elastic
from quiet import Timing, compare
from results import machine, write

HEIGHT, WIDTH, SIZE, CLASSES = 1024, 2048, 512, 19
STEPS = ("scale, crop, flip", "+ colour jitter", "+ elastic deformation")
Call = Callable[[], object]


def street(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """An image (H, W, 3), from a file or made of smooth regions with fine texture; and a class map (H, W), uint8."""
    rng = np.random.default_rng(0)
    regions = rng.normal(size=(16, 32, CLASSES)).astype(np.float32)
    planes = [cv2.resize(regions[..., k], (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for k in range(CLASSES)]
    class_map = np.argmax(planes, 0).astype(np.uint8)
    if path is not None:
        whole_image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        return cv2.resize(whole_image, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), class_map
    texture = cv2.GaussianBlur(rng.normal(0, 60, (HEIGHT, WIDTH, 3)), (0, 0), 1.5)
    colors = rng.integers(30, 220, (CLASSES, 3))
    return (colors[class_map] + texture).clip(0, 255).astype(np.uint8), class_map


def torchvision(whole_image: np.ndarray, class_map: np.ndarray, steps: int) -> Call:
    image = tv_tensors.Image(torch.from_numpy(whole_image).permute(2, 0, 1).contiguous())
    mask = tv_tensors.Mask(torch.from_numpy(class_map))
    fill = {tv_tensors.Image: 0, tv_tensors.Mask: 255}
    transforms = [
        v2.ScaleJitter((HEIGHT, WIDTH), (0.5, 2.0), antialias=True),
        v2.RandomCrop(SIZE, pad_if_needed=True, fill=fill),
        v2.RandomHorizontalFlip(),
        *[v2.ColorJitter(0.4, 0.4, 0.4, 0.1)] * (steps > 0),
        *[v2.ElasticTransform(alpha=50.0, sigma=5.0, fill=fill)] * (steps > 1),
    ]
    composed = v2.Compose(transforms)
    return lambda: composed(image, mask)


def albumentations(whole_image: np.ndarray, class_map: np.ndarray, steps: int) -> Call:
    import albumentations as A

    transforms = [
        A.RandomScale((-0.5, 1.0), p=1),
        A.PadIfNeeded(SIZE, SIZE, fill=0, fill_mask=255),
        A.RandomCrop(SIZE, SIZE),
        A.HorizontalFlip(),
        *[A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=1)] * (steps > 0),
        *[A.ElasticTransform(alpha=50, sigma=5, p=1)] * (steps > 1),
    ]
    composed = A.Compose(transforms)
    return lambda: composed(image=whole_image, mask=class_map)


def pixelwise(whole_image: np.ndarray, class_map: np.ndarray, steps: int) -> Call:
    truth = Segmentation.from_class_map(torch.from_numpy(class_map), Classes.numbered(CLASSES))
    sample = Sample(torch.from_numpy(whole_image).permute(2, 0, 1), truth)
    augment = Augmentation(
        (SIZE, SIZE),
        scale=(0.5, 2.0),
        jitter=Jitter(0.4, 0.4, 0.4, 0.1) if steps > 0 else None,
        # The displacements of alpha 50 and sigma 5: 1.6 pixels, correlated over three times the sigma.
        elastic=Elastic(spacing=15, sigma=1.6) if steps > 1 else None,
    )
    rng = np.random.default_rng(0)
    return lambda: augment(sample, rng)


def objects() -> tuple[np.ndarray, Segmentation]:
    """An image (480, 640, 3) and 12 ragged objects of usual sizes that overlap, as in COCO."""
    rng = np.random.default_rng(0)
    soft = [cv2.resize(rng.random((9, 9), np.float32), (640, 480), interpolation=cv2.INTER_CUBIC) for _ in range(12)]
    y, x = np.ogrid[:480, :640]
    masks = [
        ((x - rng.integers(640)) ** 2 + (y - rng.integers(480)) ** 2) ** 0.5 < np.exp(rng.uniform(2.5, 5)) * (0.6 + one)
        for one in soft
    ]
    classes = Classes(("background", "object"), (), (False, True), 0)
    truth = Segmentation(classes, torch.ones(12, dtype=torch.int64), masks=torch.from_numpy(np.stack(masks)))
    return rng.integers(0, 256, (480, 640, 3), np.uint8), truth


def with_objects(seconds: float) -> list[str]:
    """A line for each: what the same image takes with its objects, torchvision's dense, pixelwise's as runs."""
    whole_image, truth = objects()
    image = tv_tensors.Image(torch.from_numpy(whole_image).permute(2, 0, 1).contiguous())
    masks = tv_tensors.Mask(truth.as_masks().dense())
    fill = {tv_tensors.Image: 0, tv_tensors.Mask: 0}
    lines = []
    for steps, title in ((0, "objects"), (2, "objects, elastic")):
        dense = v2.Compose(
            [
                v2.ScaleJitter((480, 640), (0.5, 2.0), antialias=True),
                v2.RandomCrop(SIZE, pad_if_needed=True, fill=fill),
                v2.RandomHorizontalFlip(),
                *[v2.ElasticTransform(alpha=50.0, sigma=5.0, fill=fill)] * (steps > 1),
            ]
        )
        augment = Augmentation((SIZE, SIZE), scale=(0.5, 2.0), elastic=Elastic(15, 1.6) if steps > 1 else None)
        sample, rng = Sample(torch.from_numpy(whole_image).permute(2, 0, 1), truth), np.random.default_rng(0)
        timings = compare(
            {
                "torchvision.transforms.v2": lambda dense=dense: dense(image, masks),
                "pixelwise": lambda augment=augment, sample=sample, rng=rng: augment(sample, rng),
            },
            seconds,
        )
        base = timings["torchvision.transforms.v2"]["cpu"]
        lines += [line(title, name, timing, base) for name, timing in timings.items()]
    return lines


def line(title: str, name: str, timing: Timing, base: float) -> str:
    noisy = "  (the machine was busy)" if timing["noisy"] else ""
    return f"{title:24s}{name:28s}{timing['cpu'] * 1e3:8.2f} ms {base / timing['cpu']:7.1f} x{noisy}"


def main() -> None:
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, help="an image to use instead of a made-up one")
    parser.add_argument("--seconds", type=float, default=4.0, help="of repeats for each (default: %(default)s)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    pair = street(options.whole_image)
    peers = {"torchvision.transforms.v2": torchvision}
    if find_spec("albumentations"):
        peers["albumentations"] = albumentations
    lines = [
        f"A {WIDTH}x{HEIGHT} image and its mask to a {SIZE}x{SIZE} crop, scale 0.5 to 2",
        machine("torchvision", "albumentations", "opencv-python-headless", "numpy") + "; one thread",
        "Milliseconds of processor time a sample, measured in turns in one run; x: times as fast as torchvision",
        "",
    ]
    for steps, title in enumerate(STEPS):
        calls = {name: make(*pair, steps) for name, make in (peers | {"pixelwise": pixelwise}).items()}
        timings = compare(calls, options.seconds)
        base = timings["torchvision.transforms.v2"]["cpu"]
        lines += [line(title, name, timing, base) for name, timing in timings.items()]
    lines += ["", "A 640x480 image with 12 objects, each a mask; the same crop", *with_objects(options.seconds)]
    write("augment", lines)


if __name__ == "__main__":
    main()
