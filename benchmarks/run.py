"""Every benchmark, one after the other; each writes its file below results/.

    python benchmarks/run.py [NAME …]       of: metrics, average_precision, panoptic_quality, augment, train_step,
                                                inference, mask_rcnn, yolact, solo, large, paste, merge, crf,
                                                crf_accuracy, methods, objects, shapes, panoptic,
                                                accuracy

Some need the data sets that `NEEDED` names (`PIXELWISE_DATA` is their folder; ../shared/data when not given).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PIXELWISE_DATA", HERE.parent.parent / "shared" / "data"))
SHAPES = "shapes:number=500,size=128,seed=1"
ARGUMENTS = {
    "metrics": [],
    "average_precision": [],
    "panoptic_quality": [],
    "augment": [],
    "train_step": [],
    "inference": [],
    "mask_rcnn": [],
    "yolact": [],
    "solo": [],
    "large": [],
    "paste": [],
    "merge": [],
    "crf": [str(DATA / "coco128" / "images" / f"{number:012}.jpg") for number in (9, 25)],
    "crf_accuracy": ["--runs", "runs/crf_accuracy", "--data", str(DATA / "camvid"), str(DATA / "membrane")],
    "methods": ["--methods", "--data", str(DATA / "camvid")],
    "objects": ["--data", str(DATA / "nuclei"), "--epochs", "8", "--batch", "4", "--crop", "192"],
    "shapes": ["--data", SHAPES, "--resize", "256", "--crop", "256", "--epochs", "14"],
    "panoptic": ["--data", f"{SHAPES},truth=panoptic", "--only", "panoptic_fpn", "--epochs", "10"],
    "accuracy": ["--data", str(DATA / "nuclei"), str(DATA / "camvid")],
}
NEEDED = {"crf": "coco128", "crf_accuracy": "membrane", "methods": "camvid", "objects": "nuclei", "accuracy": "camvid"}
SCRIPTS = {"methods": "accuracy", "shapes": "objects", "panoptic": "objects"}
"""The file of a benchmark that is not called as it is."""


def main() -> int:
    failed = []
    for name in sys.argv[1:] or ARGUMENTS:
        if name not in ARGUMENTS:
            raise SystemExit(f"there is no benchmark {name!r}; there are: {', '.join(ARGUMENTS)}")
        if name in NEEDED and not (DATA / NEEDED[name]).is_dir():
            print(f"{name}: left out, {DATA} does not hold the data sets (PIXELWISE_DATA names their folder)")
            continue
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{SCRIPTS.get(name, name)}.py"), *ARGUMENTS[name]]).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    raise SystemExit(main())
