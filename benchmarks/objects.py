"""The methods that find objects beside each other, and beside torchvision's Mask R-CNN in the same frame; Panoptic FPN.

    python benchmarks/objects.py --data shapes:number=500,size=128,seed=1 PATH/nuclei [--epochs 12] [--only NAME …]
    python benchmarks/objects.py --data shapes:number=500,size=128,seed=1,truth=panoptic --only panoptic_fpn

Every row is `pixelwise.train` with the method's recipe for small data (`pixelwise recipes mask_rcnn-cells`): the same
encoder (timm's tf_efficientnet_lite0, ImageNet weights), the same images, batches and number of steps; no method has
its paper's schedule, so this says how they compare at this budget and not what they can reach. Scored with the last
weights on whole images, at their own size. `torchvision` is its `MaskRCNN`, own heads and losses, on that encoder in
the recipe of our Mask R-CNN: pyramid as wide, anchors of the same sides, as many regions learnt from in an image.

CamVid is approximately panoptic after `pixelwise build-panoptic --semantic PATH/camvid --classes "sky,building,pole,
road,pavement,tree,sign symbol,fence,car,pedestrian,bicyclist" --void 11 --things "pole,sign symbol,car,pedestrian,
bicyclist" --smallest 16 --out NEW/camvid`: connected parts of a class are its objects.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pixelwise import load, open_dataset, train
from pixelwise.data.instance_truth import as_objects
from pixelwise.inference.predictor import Predictor
from pixelwise.layers.backbone import Backbone
from pixelwise.masks import Masks
from pixelwise.models import MODELS
from pixelwise.models.base import InstanceModel
from pixelwise.segmentation import Segmentation
from pixelwise.training.recipe import Machine, Recipe
from pixelwise.training.validation import Validation
from quiet import measure
from results import machine, write

BACKBONE = "tf_efficientnet_lite0"
SOLO = {"width": 128, "convs": 2}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "mask_rcnn": ("mask_rcnn-cells", {}),
    "torchvision": ("mask_rcnn-cells", {"arguments": {}}),
    "yolact": ("yolact-cells", {}),
    "solo": ("solov2-cells", {"arguments": SOLO}),
    "decoupled_solo": ("solov2-cells", {"arguments": SOLO}),
    "solov2": ("solov2-cells", {}),
    "panoptic_fpn": ("panoptic_fpn-driving", {}),
}
"""The recipe of each, and what is changed in it."""

COLUMNS = {"instance": ("mask AP", "mask AP50", "box AP"), "panoptic": ("PQ", "mIoU", "mask AP")}

WIDTH, REGIONS = 64, 64
ANCHORS = tuple((side,) for side in (16, 32, 64, 128, 256))


class Peer(InstanceModel):
    """torchvision's Mask R-CNN in our frame: what goes in is the same, and what comes out is scored alike."""

    stride = 32

    def __init__(self, num_classes: int, backbone: str = BACKBONE) -> None:
        super().__init__(num_classes)
        from torchvision.models.detection import MaskRCNN
        from torchvision.models.detection.rpn import AnchorGenerator
        from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

        class Pyramid(nn.Module):
            out_channels = WIDTH

            def __init__(self) -> None:
                super().__init__()
                self.backbone = Backbone(backbone, out_indices=(1, 2, 3, 4))
                self.fpn = FeaturePyramidNetwork(list(self.backbone.channels), WIDTH, LastLevelMaxPool())

            def forward(self, images: Tensor) -> dict[str, Tensor]:
                maps = OrderedDict((str(n), x) for n, x in enumerate(self.backbone(images)))
                found: dict[str, Tensor] = self.fpn(maps)
                return found

        pyramid = Pyramid()
        self.normalize = pyramid.backbone.normalize()
        anchors = AnchorGenerator(ANCHORS, ((0.5, 1.0, 2.0),) * len(ANCHORS))
        sampling = {"box_batch_size_per_image": REGIONS, "box_detections_per_img": self.max_detections}
        plain = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
        self.network = MaskRCNN(pyramid, num_classes, rpn_anchor_generator=anchors, **plain, **sampling)
        self.network.transform.resize = lambda image, target=None: (image, target)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.normalize(images),)

    def loss(self, outputs: tuple[Tensor], truths: Sequence[Segmentation]) -> dict[str, Tensor]:
        targets = []
        for truth in truths:
            truth = truth.select(~truth.crowd & (truth.areas() > 0))
            masks = truth.as_masks()
            boxes = masks.boxes().float()
            targets.append({"boxes": boxes, "labels": truth.labels, "masks": masks.dense().to(torch.uint8)})
        self.network.train()
        parts: dict[str, Tensor] = self.network(list(outputs[0].float()), targets)
        return parts

    def decode(self, outputs: tuple[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Segmentation]:
        results = []
        self.network.eval()
        for image, (height, width) in zip(outputs[0].float(), sizes, strict=True):
            (found,) = self.network([image])
            masks = Masks.from_dense(found["masks"][:, 0, :height, :width] >= 0.5)
            results.append(Segmentation(self.classes, found["labels"], found["scores"], masks=masks))
        return results


def row(method: str, data: str, options: argparse.Namespace) -> str:
    """One line of the table."""
    name, changes = METHODS[method]
    common = {"data": data, "model": method, "epochs": options.epochs, "batch": options.batch, "imgsz": options.crop}
    common |= {"scale": options.scale, "augment": "light", "resize": options.resize}
    recipe = Recipe.from_yaml(name, {**common, **changes})
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done = train(recipe, machine=Machine(workers=0, loggers=("csv",)), out=Path(folder) / "run", progress=True)
        model = load(done.last)
    minutes = (time.perf_counter() - start) / 60
    tests = open_dataset(data, split="val")
    tests = as_objects(tests) if model.task == "instance" else tests
    scores = Validation(tests, model, workers=0)(model.eval(), torch.device("cpu"))
    predictor, image = Predictor(model, device="cpu"), tests.image(0)
    milliseconds = measure(lambda: predictor(image), 2)["med"] * 1e3
    parameters = sum(p.numel() for p in model.parameters())
    return (
        f"{method:15s} {'  '.join(f'{scores[name]:.4f}' for name in COLUMNS[model.task])}  "
        f"{parameters / 1e6:7.2f} M  {milliseconds:7.1f} ms  {minutes:6.1f} min"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--resize", type=int, help="shorter side to bring the images to, pixels")
    parser.add_argument("--scale", default="0.8,1.25")
    parser.add_argument("--only", nargs="*", help=f"of {', '.join(METHODS)}")
    options = parser.parse_args()
    MODELS["torchvision"] = Peer
    for data in options.data:
        name = data.partition(":")[0] if ":" in data else Path(data).name
        methods = options.only or [method for method in METHODS if method != "panoptic_fpn"]
        task = "panoptic" if "panoptic_fpn" in methods else "instance"
        images = data if ":" in data else name
        lines = [
            f"{images}: {options.epochs} epochs of crops of {options.crop}, batch {options.batch}, "
            f"{f'enlarged to {options.resize}, ' * bool(options.resize)}"
            f"scale {options.scale}, one seed, encoder {BACKBONE}, recipes for small data",
            machine("torch", "torchvision", "timm"),
            f"{', '.join(COLUMNS[task])} on whole images, parameters, one image from bytes to masks, training",
            "",
        ]
        for method in methods:
            lines.append(row(method, data, options))
            print(lines[-1], flush=True)
            write(f"{'objects' if task == 'instance' else task}_{name}", lines)


if __name__ == "__main__":
    main()
