"""Merging a semantic and an instance result, beside the panoptic API's script in the same run, one thread.

    python benchmarks/merge.py

A map of 12 kinds of stuff and 60 objects at 1024×2048. The script's rules are repeated here on its own means, the run
lengths of pycocotools, without its reading and writing of files, which the times leave out on both sides; the results
are compared before time is. Writes benchmarks/results/merge.txt.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import copy
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask as lengths

from pixelwise.classes import Classes
from pixelwise.postprocess.panoptic_merging import MergeRules, join_classes
from pixelwise.segmentation import Segmentation
from quiet import compare
from results import machine, write

HEIGHT, WIDTH, OBJECTS, STUFF = 1024, 2048, 60, 12
SIDES = {"small objects": 60, "as in streets": 120, "large objects": 300}
"""The median side of an object, pixels."""


def make_objects(side: float) -> np.ndarray:
    """(N, H, W) bool: round shapes with ragged outlines, log-normal sides."""
    random = np.random.default_rng(0)
    masks = np.zeros((OBJECTS, HEIGHT, WIDTH), np.uint8)
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    for mask in masks:
        radius = side / 2 * np.exp(random.normal(0, 0.7)) * (1 + 0.25 * random.standard_normal(48))
        x, y = random.uniform(0, WIDTH), random.uniform(HEIGHT / 5, HEIGHT)
        outline = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1)
        cv2.fillPoly(mask, [outline.astype(np.int32)], (1,))
    return masks.astype(bool)


def make_stuff() -> np.ndarray:
    """(H, W) uint8: the largest of 12 smooth maps."""
    coarse = np.random.default_rng(1).standard_normal((STUFF, 9, 17)).astype(np.float32)
    return np.stack([cv2.resize(one, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for one in coarse]).argmax(0)


def as_the_script(objects: list[Any], stuff: list[Any]) -> np.ndarray:
    """The steps of combine_to_panoptic_single_core for one image; the objects are sorted, numbers are 1, 2, …"""
    found, used, number = np.zeros((HEIGHT, WIDTH), np.uint32), None, 0
    for one in objects:
        area = lengths.area(one)
        if area == 0:
            continue
        if used is None:
            shared, used = 0, copy.deepcopy(one)
        else:
            shared = lengths.area(lengths.merge([used, one], intersect=True))
        if shared / area > 0.5:
            continue
        used = lengths.merge([used, one], intersect=False)
        mask = lengths.decode(one) == 1
        if shared != 0:
            mask = np.logical_and(found == 0, mask)
        number += 1
        found[mask] = number
    for one in stuff:
        left = np.logical_and(found == 0, lengths.decode(one) == 1)
        if left.sum() < 64 * 64:
            continue
        number += 1
        found[left] = number
    return found


def race(kind: str) -> list[str]:
    masks, stuff = make_objects(SIDES[kind]), make_stuff()
    random = np.random.default_rng(2)
    scores = np.sort(random.uniform(0.5, 1, OBJECTS).astype(np.float32))[::-1].copy()
    names = Classes(tuple(f"stuff {k}" for k in range(STUFF)))
    things = Classes(("background", "car", "person"), background=0)
    labels = torch.from_numpy(random.integers(1, 3, OBJECTS))
    instances = Segmentation(things, labels, torch.from_numpy(scores), masks=torch.from_numpy(masks))
    semantic = Segmentation.from_class_map(torch.from_numpy(stuff), names)
    probabilities = torch.nn.functional.one_hot(torch.from_numpy(stuff), STUFF).permute(2, 0, 1).float().contiguous()
    encoded = [lengths.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
    kinds = [lengths.encode(np.asfortranarray(stuff == k, np.uint8)) for k in range(STUFF)]
    rules, classes = MergeRules.named("panopticapi"), join_classes(names, things)
    calls: dict[str, Callable[[], Any]] = {
        "the script's steps": lambda: as_the_script(encoded, kinds),
        "pixelwise": lambda: rules(semantic, instances, classes=classes),
        "…, from probabilities": lambda: rules(probabilities, instances, semantic_classes=names, classes=classes),
    }
    found = rules(semantic, instances, classes=classes)
    equal = np.array_equal(as_the_script(encoded, kinds), found.ids.numpy())
    timings = compare(calls, budget=2)
    busy = "  (the machine was busy)" if any(timing["noisy"] for timing in timings.values()) else ""
    first = timings["the script's steps"]["med"]
    return [
        f"{kind}, {masks.sum() / OBJECTS:.0f} pixels in the mean: {len(found)} segments, maps "
        f"{'equal' if equal else 'NOT equal'}",
        *(
            f"  {name:32s}{1e3 * timing['med']:8.1f} ms{first / timing['med']:8.1f} x{busy}"
            for name, timing in timings.items()
        ),
    ]


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    lines = [
        f"{OBJECTS} objects and {STUFF} kinds of stuff merged at {HEIGHT}x{WIDTH}, one thread",
        machine("torch", "numpy", "opencv-python-headless", "pycocotools"),
        "x: how many times as fast as the steps of the panoptic API's script, without files on both sides",
    ]
    for kind in SIDES:
        lines += ["", *race(kind)]
    write("merge", lines)


if __name__ == "__main__":
    main()
