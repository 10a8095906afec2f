"""Draws `docs/gallery.jpg`: one image, and what a semantic, an instance and a panoptic model predict in it.

    python docs/figures/gallery.py IMAGE RUN RUN RUN

The image and the training data are BBBC038 (Data Science Bowl 2018, CC0). The runs were trained on 380 of its images:

    pixelwise train --data nuclei --classes background,nucleus --epochs 6 --imgsz 192 --augment topdown
    pixelwise train --recipe mask_rcnn-cells --data nuclei --classes nucleus \\
        --epochs 7 --batch 4 --imgsz 192 --scale 0.8,1.25
    pixelwise train --recipe panoptic_fpn-driving --data panoptic --augment topdown \\
        --epochs 7 --batch 4 --imgsz 192 --scale 0.8,1.25
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np

import pixelwise

PANEL, GAP, STRIP = 360, 10, 34
STUFF = (70, 110, 190)


def main(image: str, semantic: str, instance: str, panoptic: str) -> None:
    """Writes the sheet."""
    pixels = pixelwise.read_image(image).permute(1, 2, 0).numpy()
    panels = [pixels]
    for run, score in ((semantic, None), (instance, 0.5), (panoptic, None)):
        result = pixelwise.predict(pixelwise.load(run), image, score=score)
        classes = result.classes
        if result.ids is not None and any(classes.things):  # stuff is to be seen too
            colors = tuple(c if thing else STUFF for c, thing in zip(classes.colors, classes.things, strict=True))
            classes = pixelwise.Classes(("tissue", *classes.names[1:]), colors, classes.things, None)
        result = (
            dataclasses.replace(result)
            if classes is result.classes
            else pixelwise.Segmentation(classes, result.labels, result.scores, ids=result.ids, masks=result.masks)
        )
        panels.append(pixelwise.draw(pixels, result, labels=False, legend=False, opacity=0.45))
    scale = PANEL / pixels.shape[1]
    size = (PANEL, round(pixels.shape[0] * scale))
    columns = []
    for panel, title in zip(panels, ("image", "semantic", "instance", "panoptic"), strict=True):
        strip = np.full((STRIP, PANEL, 3), 255, np.uint8)
        cv2.putText(strip, title, (4, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (38, 50, 56), 1, cv2.LINE_AA)
        columns += [np.vstack([strip, cv2.resize(panel, size, interpolation=cv2.INTER_CUBIC)])]
        columns += [np.full((STRIP + size[1], GAP, 3), 255, np.uint8)]
    sheet = np.hstack(columns[:-1])
    out = Path(__file__).parents[1] / "gallery.jpg"
    cv2.imwrite(str(out), np.ascontiguousarray(sheet[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(out, sheet.shape, out.stat().st_size)


if __name__ == "__main__":
    main(*sys.argv[1:])
