"""SOLO's published checkpoints: those of its authors, and those that mmdetection trained anew.

The ones with deformable convolutions (DCN in their names) are left out, as no backbone here has any.
"""

from __future__ import annotations

from typing import Any

from ..ops.resize import Resizing
from .preset import Preset


def _solo(model: str, backbone: str, file: str, ap: float, side: int = 800, **arguments: Any) -> Preset:
    return Preset(
        model,
        "solo",
        "coco",
        file,
        page="https://huggingface.co/xinlongwang/SOLO",
        licence="BSD-2-Clause for academic use (code); commercial use takes the authors' consent",
        score=f"mask AP {ap} on COCO val2017",
        arguments={"backbone": backbone, "scale": 1.0, **arguments},
        url=f"https://huggingface.co/xinlongwang/SOLO/resolve/main/{file}",
        resizing=_SHORT[side],
    )


def _mmdet(model: str, backbone: str, folder: str, stamp: str, ap: float, side: int = 800, **arguments: Any) -> Preset:
    paper = "solov2" if model == "solov2" else "solo"
    return Preset(
        model,
        "mmdet",
        "coco",
        f"{folder}_{stamp}.pth",
        page=f"https://github.com/open-mmlab/mmdetection/tree/main/configs/{paper}",
        licence="Apache-2.0 (code)",
        score=f"mask AP {ap} on COCO val2017",
        arguments={"backbone": backbone, "scale": 1.0, **arguments},
        url=f"https://download.openmmlab.com/mmdetection/v2.0/{paper}/{folder}/{folder}_{stamp}.pth",
        hash=stamp.rpartition("-")[2],
        resizing=_SHORT[side],
    )


_SHORT = {800: Resizing(800, 1333), 512: Resizing(512, 852), 448: Resizing(448, 768)}
"""Shorter sides of COCO's pictures, each with its limit of the longer one."""
_LIGHT_DECOUPLED: dict[str, Any] = {"side": 512, "convs": 4, "shared": True}
_LIGHT_V2: dict[str, Any] = {"side": 448, "convs": 2, "width": 256, "features": 128}

SOLO: dict[str, Preset] = {
    "solo_resnet50.solo-coco-1x": _solo("solo", "resnet50", "SOLO_R50_1x.pth", 32.9),
    "solo_resnet50.solo-coco": _solo("solo", "resnet50", "SOLO_R50_3x.pth", 35.8),
    "solo_resnet101.solo-coco": _solo("solo", "resnet101", "SOLO_R101_3x.pth", 37.1),
    "solo_resnet50.mmdet-coco-1x": _mmdet("solo", "resnet50", "solo_r50_fpn_1x_coco", "20210821_035055-2290a6b8", 33.1),
    "solo_resnet50.mmdet-coco": _mmdet("solo", "resnet50", "solo_r50_fpn_3x_coco", "20210901_012353-11d224d7", 35.9),
    "decoupled_solo_resnet50.solo-coco-1x": _solo("decoupled_solo", "resnet50", "DECOUPLED_SOLO_R50_1x.pth", 33.9),
    "decoupled_solo_resnet50.solo-coco": _solo("decoupled_solo", "resnet50", "DECOUPLED_SOLO_R50_3x.pth", 36.4),
    "decoupled_solo_resnet101.solo-coco": _solo("decoupled_solo", "resnet101", "DECOUPLED_SOLO_R101_3x.pth", 37.9),
    "decoupled_solo_light_resnet50.solo-coco": _solo(
        "decoupled_solo", "resnet50", "DECOUPLED_SOLO_LIGHT_R50_3x.pth", 33.0, **_LIGHT_DECOUPLED
    ),
    "decoupled_solo_resnet50.mmdet-coco-1x": _mmdet(
        "decoupled_solo", "resnet50", "decoupled_solo_r50_fpn_1x_coco", "20210820_233348-6337c589", 33.9
    ),
    "decoupled_solo_resnet50.mmdet-coco": _mmdet(
        "decoupled_solo", "resnet50", "decoupled_solo_r50_fpn_3x_coco", "20210821_042504-7b3301ec", 36.7
    ),
    "decoupled_solo_light_resnet50.mmdet-coco": _mmdet(
        "decoupled_solo",
        "resnet50",
        "decoupled_solo_light_r50_fpn_3x_coco",
        "20210906_142703-e70e226f",
        32.9,
        **_LIGHT_DECOUPLED,
    ),
    "solov2_resnet50.solo-coco-1x": _solo("solov2", "resnet50", "SOLOv2_R50_1x.pth", 34.8),
    "solov2_resnet50.solo-coco": _solo("solov2", "resnet50", "SOLOv2_R50_3x.pth", 37.5),
    "solov2_resnet101.solo-coco": _solo("solov2", "resnet101", "SOLOv2_R101_3x.pth", 39.1),
    "solov2_light_resnet18.solo-coco": _solo("solov2", "resnet18", "SOLOv2_LIGHT_448_R18_3x.pth", 29.6, **_LIGHT_V2),
    "solov2_light_resnet34.solo-coco": _solo("solov2", "resnet34", "SOLOv2_LIGHT_448_R34_3x.pth", 32.0, **_LIGHT_V2),
    "solov2_light_resnet50.solo-coco": _solo("solov2", "resnet50", "SOLOv2_LIGHT_448_R50_3x.pth", 33.7, **_LIGHT_V2),
    "solov2_resnet50.mmdet-coco-1x": _mmdet(
        "solov2", "resnet50", "solov2_r50_fpn_1x_coco", "20220512_125858-a357fa23", 34.8
    ),
    "solov2_resnet50.mmdet-coco": _mmdet(
        "solov2", "resnet50", "solov2_r50_fpn_3x_coco", "20220512_125856-fed092d4", 37.5
    ),
    "solov2_resnet101.mmdet-coco": _mmdet(
        "solov2", "resnet101", "solov2_r101_fpn_3x_coco", "20220511_095119-c559a076", 39.1
    ),
    "solov2_light_resnet18.mmdet-coco": _mmdet(
        "solov2", "resnet18", "solov2_light_r18_fpn_3x_coco", "20220511_083717-75fa355b", 29.7, **_LIGHT_V2
    ),
    "solov2_light_resnet34.mmdet-coco": _mmdet(
        "solov2", "resnet34", "solov2_light_r34_fpn_3x_coco", "20220511_091839-e51659d3", 31.9, **_LIGHT_V2
    ),
    "solov2_light_resnet50.mmdet-coco": _mmdet(
        "solov2", "resnet50", "solov2_light_r50_fpn_3x_coco", "20220512_165256-c93a6074", 33.7, **_LIGHT_V2
    ),
}
"""Name → checkpoint. Without "1x" in the name they were trained for 36 epochs at several sizes."""
