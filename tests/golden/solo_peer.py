"""The authors' SOLO heads without mmcv and the compiled operations: stand-ins for what their files import.

Their code (WXinlong/SOLO, for academic use) is read from where PEER points; none of it is here.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.ops import sigmoid_focal_loss

GRIDS = [40, 36, 24, 16, 12]
RANGES = ((1, 96), (48, 192), (96, 384), (192, 768), (384, 2048))


class ConvModule(nn.Module):
    """Convolution, normalisation, ReLU, under the names of mmcv's."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        norm_cfg: Mapping[str, Any] | None = None,
        bias: bool | str = "auto",
        activation: str | None = "relu",
        **rest: Any,
    ) -> None:
        super().__init__()
        bias = norm_cfg is None if bias == "auto" else bool(bias)
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, bias=bias)
        if norm_cfg is not None:
            self.gn = nn.GroupNorm(norm_cfg["num_groups"], width)
        self.active = activation is not None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if "gn" in self._modules:
            x = self.gn(x)
        return x.relu() if self.active else x


class Registry:
    """Registers nothing."""

    def register_module(self, kind: type) -> type:
        return kind


class Focal(nn.Module):
    """Class d of theirs (from 1 on) is logit d − 1; 0 is the background."""

    def forward(self, logits: Tensor, labels: Tensor, avg_factor: float) -> Tensor:
        target = F.one_hot(labels.long(), logits.shape[1] + 1)[:, 1:].to(logits)
        return sigmoid_focal_loss(logits, target, 0.25, 2.0, "sum") / avg_factor


def imrescale(image: Any, scale: float) -> Any:
    """As mmcv: the new size is rounded, bilinear by OpenCV."""
    height, width = image.shape[:2]
    return cv2.resize(image, (int(width * scale + 0.5), int(height * scale + 0.5)), interpolation=cv2.INTER_LINEAR)


def multi_apply(function: Any, *lists: Any, **rest: Any) -> tuple[list[Any], ...]:
    """Of each call, the first results, the second ones …"""
    results = [function(*each, **rest) for each in zip(*lists, strict=False)]
    return tuple(list(one) for one in zip(*results, strict=True))


def _module(name: str, **contents: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(contents, __path__=[])
    sys.modules[name] = made
    return made


def _read(root: Path, name: str) -> types.ModuleType:
    path = root.joinpath(*name.split(".")).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load(root: Path) -> Any:
    """Their classes, and `matrix_nms`, by name."""
    nothing = lambda *given, **rest: None  # noqa: E731
    registry = Registry()
    _module("mmcv", imrescale=imrescale)
    _module("mmcv.cnn", normal_init=nothing, xavier_init=nothing)
    for name in ("mmdet", "mmdet.models", "mmdet.models.anchor_heads", "mmdet.models.mask_heads", "mmdet.models.necks"):
        _module(name)
    _module("mmdet.ops", DeformConv=None, roi_align=None)
    _module("mmdet.core.post_processing")
    nms = _read(root, "mmdet.core.post_processing.matrix_nms").matrix_nms
    _module(
        "mmdet.core",
        multi_apply=multi_apply,
        matrix_nms=nms,
        bbox2roi=None,
        auto_fp16=lambda: lambda function: function,
    )
    _module("mmdet.models.builder", build_loss=lambda given: Focal())
    _module("mmdet.models.registry", HEADS=registry, NECKS=registry)
    _module("mmdet.models.utils", bias_init_with_prob=nothing, ConvModule=ConvModule)
    files = ("solo_head", "decoupled_solo_head", "decoupled_solo_light_head", "solov2_head")
    names = [f"anchor_heads.{file}" for file in files] + ["mask_heads.mask_feat_head", "necks.fpn"]
    found = {"matrix_nms": nms}
    for name in names:
        module = _read(root, f"mmdet.models.{name}")
        found.update({key: value for key, value in vars(module).items() if isinstance(value, type)})
    return types.SimpleNamespace(**found)


class Network(nn.Module):
    """Backbone, neck and heads under the names of their checkpoints.

    Args:
        peer: of `load`.
        head: name of the class.
        depth: of the ResNet.
        options: further arguments of the head.
        mask_channels: of SOLOv2's mask features; 0 for the others.
    """

    def __init__(self, peer: Any, head: str, depth: int, options: Mapping[str, Any], mask_channels: int = 0) -> None:
        super().__init__()
        self.backbone = getattr(resnet, f"resnet{depth}")()
        del self.backbone.fc
        channels = [64, 128, 256, 512] if depth < 50 else [256, 512, 1024, 2048]
        self.neck = peer.FPN(channels, 256, num_outs=5, start_level=0)
        shared = {"num_grids": GRIDS, "strides": [8, 8, 16, 32, 32], "scale_ranges": RANGES, "sigma": 0.2}
        losses = {"loss_ins": {"loss_weight": 3.0}, "loss_cate": {}}
        self.bbox_head = getattr(peer, head)(81, 256, **{**shared, **losses, **options})
        if mask_channels:
            norm = {"type": "GN", "num_groups": 32}
            self.mask_feat_head = peer.MaskFeatHead(256, 128, 0, 3, mask_channels, norm_cfg=norm)

    def levels(self, images: Tensor) -> list[Tensor]:
        """P2 to P6."""
        net = self.backbone
        x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
        maps = []
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            maps.append(x)
        return list(self.neck(maps))

    def forward(self, images: Tensor, eval: bool = True) -> tuple[Any, ...]:
        """What their head gives, and SOLOv2's mask features."""
        levels = self.levels(images)
        outputs = tuple(self.bbox_head(levels, eval=eval))
        if "mask_feat_head" in self._modules:
            outputs = (*outputs, self.mask_feat_head(levels[:4]))
        return outputs
