"""Published checkpoints, by the authors of the methods and by those who reimplemented them.

Scores are those that the publishers report, with the images and the protocol beside them. Facts without a source are
left open: a hash is given only if the publisher gives one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..ops.resize import Resizing
from .preset import Preset
from .programs import PROGRAMS

_TORCHVISION = "https://download.pytorch.org/models/"
_KAZUTO1011 = "https://github.com/kazuto1011/deeplab-pytorch"
_VAINF = "https://github.com/VainF/DeepLabV3Plus-Pytorch"
_WKENTARO = "https://github.com/wkentaro/pytorch-fcn"
_SEMSEG = "https://drive.google.com/open?id=15wx9vOM0euyizq-M1uINgN0_wjVRf9J3"
_MILESIAL = "https://github.com/milesial/Pytorch-UNet"
_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="


def _resizing(layout: str, model: str, arguments: Mapping[str, Any] | None = None, num_classes: int = 0) -> Resizing:
    """The resizing of the layout's program, as `load_weights` applies it."""
    return PROGRAMS[layout][model].resizing(arguments or {}, num_classes) or Resizing()


def _torchvision(model: str, file: str, miou: float, accuracy: float, **arguments: Any) -> Preset:
    return Preset(
        model,
        "torchvision",
        "voc",
        file,
        page="https://pytorch.org/vision/stable/models.html#semantic-segmentation",
        licence="BSD-3-Clause (code)",
        score=f"mIoU {miou}, pixel accuracy {accuracy} on COCO val2017 with the classes of VOC",
        arguments={"auxiliary": True, **arguments},
        url=_TORCHVISION + file,
        hash=file.removesuffix(".pth").rpartition("-")[2],
        resizing=_resizing("torchvision", model, arguments),
    )


def _wkentaro(model: str, file: str, drive: str, md5: str, miou: float, **arguments: Any) -> Preset:
    return Preset(
        model,
        "wkentaro",
        "voc",
        file,
        page=_WKENTARO,
        licence="MIT (code); weights of BVLC, unrestricted use",
        score=f"mIoU {miou} on seg11valid (736 images of VOC2011)",
        arguments=arguments,
        url=_DRIVE + drive,
        hash=f"md5:{md5}",
    )


def _kazuto1011(data: str, file: str, score: str) -> Preset:
    return Preset(
        "deeplabv2",
        "kazuto1011",
        data,
        file,
        page=_KAZUTO1011,
        licence="MIT (code)",
        score=score,
        url=f"{_KAZUTO1011}/releases/download/v1.0/{file}",
    )


def _vainf(model: str, backbone: str, dropbox: str, data: str, score: str) -> Preset:
    kind = "mobilenet" if backbone.startswith("mobilenet") else backbone
    file = f"best_{model}_{kind}_{data}_os16.pth"
    return Preset(
        model,
        "vainf",
        data,
        file,
        page=_VAINF,
        licence="MIT (code)",
        score=score,
        arguments={"backbone": backbone, "variant": "vainf"},
        url=f"https://www.dropbox.com/s/{dropbox}/{file}?dl=1",
    )


def _semseg(layers: int, data: str, epochs: int, score: str, num_classes: int) -> Preset:
    return Preset(
        "pspnet",
        "semseg",
        data,
        f"pspnet{layers}_{data}_train_epoch_{epochs}.pth",
        page=_SEMSEG,
        licence="MIT (code)",
        score=score,
        arguments={"backbone": f"resnet{layers}s"},
        resizing=_resizing("semseg", "pspnet", num_classes=num_classes),
    )


def _milesial(scale: str, score: str) -> Preset:
    file = f"unet_carvana_scale{scale}_epoch2.pth"
    return Preset(
        "unet_padded",
        "milesial",
        "carvana",
        file,
        page=_MILESIAL,
        licence="GPL-3.0 (code)",
        score=score,
        url=f"{_MILESIAL}/releases/download/v3.0/{file}",
    )


def _yolact(name: str, config: str, side: int, score: float, **arguments: Any) -> Preset:
    file = f"yolact_{config}_54_800000.pth"
    page = f"https://huggingface.co/dbolya/yolact-{name}"
    return Preset(
        "yolact",
        "yolact",
        "coco",
        file,
        page=page,
        licence="not said (weights); MIT (code)",
        score=f"mask AP {score} on COCO test-dev",
        arguments={"variant": "authors", "size": side, **arguments},
        url=f"{page}/resolve/main/{file}",
        resizing=_resizing("yolact", "yolact", {"size": side}),
    )


def _mask_rcnn_torchvision(variant: str, file: str, box: float, mask: float) -> Preset:
    return Preset(
        "mask_rcnn",
        "torchvision",
        "coco91",
        file,
        page="https://pytorch.org/vision/stable/models.html#instance-segmentation",
        licence="BSD-3-Clause (code)",
        score=f"box AP {box}, mask AP {mask} on COCO val2017",
        arguments={"backbone": "resnet50", "variant": variant},
        url=_TORCHVISION + file,
        hash=file.removesuffix(".pth").rpartition("-")[2],
        resizing=_resizing("torchvision", "mask_rcnn"),
    )


def _mask_rcnn_detectron2(layers: int, schedule: str, box: float, mask: float) -> Preset:
    """Published as a pickle, which is never opened here: the file is its state dict, see `DETECTRON2.made_by`."""
    return Preset(
        "mask_rcnn",
        "detectron2",
        "coco",
        f"mask_rcnn_R_{layers}_FPN_{schedule}.pth",
        page="https://github.com/facebookresearch/detectron2/blob/main/MODEL_ZOO.md",
        licence="CC BY-SA 3.0 (weights)",
        score=f"box AP {box}, mask AP {mask} on COCO val2017",
        arguments={"backbone": f"resnet{layers}", "variant": "detectron2"},
        resizing=_resizing("detectron2", "mask_rcnn"),
    )


def _panoptic_fpn_detectron2(layers: int, schedule: str, box: float, mask: float, pq: float) -> Preset:
    """Published as a pickle too, see `_mask_rcnn_detectron2`."""
    return replace(
        _mask_rcnn_detectron2(layers, schedule, box, mask),
        model="panoptic_fpn",
        classes="coco-panoptic",
        file=f"panoptic_fpn_R_{layers}_{schedule}.pth",
        score=f"PQ {pq}, box AP {box}, mask AP {mask} on COCO val2017",
    )


def _solo(model: str, backbone: str, file: str, ap: float, **arguments: Any) -> Preset:
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
        resizing=_resizing("solo", model, arguments),
    )


def _mmdet(model: str, backbone: str, folder: str, stamp: str, ap: float, **arguments: Any) -> Preset:
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
        resizing=_resizing("mmdet", model, arguments),
    )


_LIGHT_DECOUPLED: dict[str, Any] = {"convs": 4, "shared": True}
_LIGHT_V2: dict[str, Any] = {"convs": 2, "width": 256, "features": 128}

_SOLO_PRESETS: dict[str, Preset] = {
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
"""Name → checkpoint. Those without "1x" in the name were trained for 36 epochs at several sizes."""

_CROP = "VOC2012 val, centre crops of 513"

PRESETS: dict[str, Preset] = {
    "fcn32s.wkentaro-voc": _wkentaro(
        "fcn32s",
        "fcn32s_from_caffe.pth",
        "11k2Q0bvRQgQbT6-jYWeh6nmAsWlSCY3f",
        "d3eb467a80e7da0468a20dfcbc13e6c8",
        63.63,
    ),
    "fcn16s.wkentaro-voc": _wkentaro(
        "fcn16s",
        "fcn16s_from_caffe.pth",
        "1bctu58B6YH9bu6lBBSBB2rUeGlGhYLoP",
        "a2d4035f669f09483b39c9a14a0d6670",
        65.01,
    ),
    "fcn8s.wkentaro-voc": _wkentaro(
        "fcn8s",
        "fcn8s_from_caffe.pth",
        "1ieXWyoG68xqoHJPWdyrDyaIaaWlfmUxI",
        "de93e540ec79512f8770033849c8ae89",
        65.51,
    ),
    "fcn8s_atonce.wkentaro-voc": _wkentaro(
        "fcn8s",
        "fcn8s-atonce_from_caffe.pth",
        "0B9P1L--7Wd2vblE1VUIxV1o2d2M",
        "bfed4437e941fef58932891217fe6464",
        65.40,
        at_once=True,
    ),
    "fcn_resnet50.torchvision-coco-voc": _torchvision(
        "fcn_resnet", "fcn_resnet50_coco-1167a1af.pth", 60.5, 91.4, backbone="resnet50"
    ),
    "fcn_resnet101.torchvision-coco-voc": _torchvision(
        "fcn_resnet", "fcn_resnet101_coco-7ecb50ca.pth", 63.7, 91.9, backbone="resnet101"
    ),
    "deeplabv2_resnet101.kazuto1011-voc": _kazuto1011(
        "voc", "deeplabv2_resnet101_msc-vocaug-20000.pth", "mIoU 76.65 on VOC2012 val; 77.93 with the CRF"
    ),
    "deeplabv2_resnet101.kazuto1011-cocostuff10k": _kazuto1011(
        "cocostuff", "deeplabv2_resnet101_msc-cocostuff10k-20000.pth", "mIoU 34.8 on images warped to 513x513"
    ),
    "deeplabv2_resnet101.kazuto1011-cocostuff164k": _kazuto1011(
        "cocostuff", "deeplabv2_resnet101_msc-cocostuff164k-100000.pth", "mIoU 39.1 on COCO-Stuff 164k val"
    ),
    "deeplabv3_resnet50.torchvision-coco-voc": _torchvision(
        "deeplabv3", "deeplabv3_resnet50_coco-cd0a2569.pth", 66.4, 92.4, backbone="resnet50", variant="torchvision"
    ),
    "deeplabv3_resnet101.torchvision-coco-voc": _torchvision(
        "deeplabv3", "deeplabv3_resnet101_coco-586e9e4e.pth", 67.4, 92.4, backbone="resnet101", variant="torchvision"
    ),
    "deeplabv3_mobilenetv3.torchvision-coco-voc": _torchvision(
        "deeplabv3",
        "deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        60.3,
        91.2,
        backbone="mobilenet_v3_large",
        variant="torchvision",
        output_stride=16,
    ),
    "deeplabv3_mobilenetv2.vainf-voc": _vainf(
        "deeplabv3", "mobilenetv2_100", "uhksxwfcim3nkpo", "voc", f"mIoU 70.1 on {_CROP}"
    ),
    "deeplabv3_resnet50.vainf-voc": _vainf("deeplabv3", "resnet50", "3eag5ojccwiexkq", "voc", f"mIoU 76.9 on {_CROP}"),
    "deeplabv3_resnet101.vainf-voc": _vainf(
        "deeplabv3", "resnet101", "vtenndnsrnh4068", "voc", f"mIoU 77.3 on {_CROP}"
    ),
    "deeplabv3plus_mobilenetv2.vainf-voc": _vainf(
        "deeplabv3plus", "mobilenetv2_100", "0idrhwz6opaj7q4", "voc", f"mIoU 71.1 on {_CROP}"
    ),
    "deeplabv3plus_resnet50.vainf-voc": _vainf(
        "deeplabv3plus", "resnet50", "dgxyd3jkyz24voa", "voc", f"mIoU 77.2 on {_CROP}"
    ),
    "deeplabv3plus_resnet101.vainf-voc": _vainf(
        "deeplabv3plus", "resnet101", "bm3hxe7wmakaqc5", "voc", f"mIoU 78.3 on {_CROP}"
    ),
    "deeplabv3plus_mobilenetv2.vainf-cityscapes": _vainf(
        "deeplabv3plus", "mobilenetv2_100", "753ojyvsh3vdjol", "cityscapes", "mIoU 72.1 on Cityscapes val"
    ),
    "pspnet_resnet50.semseg-ade20k": _semseg(50, "ade20k", 100, "mIoU 41.89 on ADE20K val", 150),
    "pspnet_resnet101.semseg-ade20k": _semseg(101, "ade20k", 100, "mIoU 43.10 on ADE20K val", 150),
    "pspnet_resnet50.semseg-voc": _semseg(50, "voc", 50, "mIoU 77.05 on VOC2012 val", 21),
    "pspnet_resnet101.semseg-voc": _semseg(101, "voc", 50, "mIoU 79.07 on VOC2012 val", 21),
    "pspnet_resnet50.semseg-cityscapes": _semseg(50, "cityscapes", 200, "mIoU 77.30 on Cityscapes val", 19),
    "pspnet_resnet101.semseg-cityscapes": _semseg(101, "cityscapes", 200, "mIoU 78.63 on Cityscapes val", 19),
    "deeplabv3plus_resnet101.vainf-cityscapes": replace(
        _vainf("deeplabv3plus", "resnet101", "", "cityscapes", "mIoU 76.2 on Cityscapes val"),
        url=_DRIVE + "1t7TC8mxQaFECt4jutdq_NMnWxdm6B-Nb",
    ),
    "mask_rcnn_resnet50.torchvision-coco": _mask_rcnn_torchvision(
        "torchvision", "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", 37.9, 34.6
    ),
    "mask_rcnn_resnet50_v2.torchvision-coco": _mask_rcnn_torchvision(
        "torchvision_v2", "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", 47.4, 41.8
    ),
    "mask_rcnn_resnet50_1x.detectron2-coco": _mask_rcnn_detectron2(50, "1x", 38.6, 35.2),
    "mask_rcnn_resnet50_3x.detectron2-coco": _mask_rcnn_detectron2(50, "3x", 41.0, 37.2),
    "mask_rcnn_resnet101_3x.detectron2-coco": _mask_rcnn_detectron2(101, "3x", 42.9, 38.6),
    "panoptic_fpn_resnet50_1x.detectron2-coco": _panoptic_fpn_detectron2(50, "1x", 37.6, 34.7, 39.4),
    "panoptic_fpn_resnet50_3x.detectron2-coco": _panoptic_fpn_detectron2(50, "3x", 40.0, 36.5, 41.5),
    "panoptic_fpn_resnet101_3x.detectron2-coco": _panoptic_fpn_detectron2(101, "3x", 42.4, 38.5, 43.0),
    **_SOLO_PRESETS,
    "yolact_resnet101.yolact-coco": _yolact("base", "base", 550, 29.8),
    "yolact_resnet50.yolact-coco": _yolact("resnet50", "resnet50", 550, 28.2, backbone="resnet50"),
    "yolact_darknet53.yolact-coco": _yolact("darknet53", "darknet53", 550, 28.7, backbone="darknet53"),
    "yolact_resnet101_700.yolact-coco": _yolact("im700", "im700", 700, 31.2),
    "unet_padded.milesial-carvana-scale0.5": _milesial("0.5", "trained on images of half their size"),
    "unet_padded.milesial-carvana-scale1.0": _milesial("1.0", "trained on images of their own size"),
}
"""Name → checkpoint. A name is the method with its backbone, a dot, the publisher and the data of the training."""
