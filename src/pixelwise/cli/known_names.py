"""The names that flags take, without the libraries that implement them.

A misspelled name is reported before PyTorch is imported, which takes seconds. The tables that these names come from
hold classes and functions that need PyTorch; a test keeps both equal.
"""

METHODS = (
    "fcn32s",
    "fcn16s",
    "fcn8s",
    "fcn_resnet",
    "unet",
    "unet_padded",
    "deeplabv1",
    "deeplabv2",
    "deeplabv3",
    "deeplabv3plus",
    "pspnet",
    "mask_rcnn",
    "panoptic_fpn",
    "yolact",
    "solo",
    "decoupled_solo",
    "solov2",
)
"""Keys of `models.MODELS`."""

LOSSES = (
    "ce",
    "ce-border",
    "ohem",
    "focal",
    "sigmoid-focal",
    "dice",
    "dice-usual",
    "dice-squared",
    "dice-milesial",
    "tversky",
    "lovasz",
)
"""Keys of `losses.LOSSES`."""

OWN_LOSS = "own"
"""The loss in the recipe of a finished run whose method defines its own."""

AUGMENTATIONS = ("none", "light", "default", "strong", "pspnet", "topdown", "paste", "lsj", "copy-paste")
"""Keys of `data.augmentation.transforms.AUGMENTATIONS`."""

DATA_FORMATS = (
    "nnunet",
    "ade-full",
    "voc",
    "cityscapes",
    "coco",
    "coco-panoptic",
    "yolo",
    "labelme",
    "cvat",
    "label-studio",
    "via",
    "supervisely",
    "object-files",
    "label-map",
    "mask-folder",
)
"""Keys of `data.opening.READERS`."""

SHAPES = "shapes:"
"""`data.shapes.PREFIX`: synthetic data, for which there is no folder."""

RESULT_FORMATS = ("overlay", "class-map", "label-map", "coco", "coco-panoptic", "yolo", "table")
"""Keys of `writers.formats.WRITERS`."""

SPLITS = ("components", "watershed")
"""Keys of `postprocess.split_touching.SPLITS`."""

CRFS = (
    "deeplabv1-voc",
    "deeplabv1-voc-msc",
    "deeplabv1-voc-coco",
    "deeplabv1-voc-largefov",
    "deeplabv1-voc-msc-largefov",
    "deeplabv1-voc-coco-largefov",
    "deeplabv1-voc-msc-coco-largefov",
    "deeplabv2-voc-vgg16",
    "deeplabv2-voc",
    "deeplabv2-cocostuff",
    "pydensecrf",
)
"""Keys of `postprocess.crf.PARAMETERS`."""

CRF_FIELDS = ("pos_w", "pos_xy", "bi_w", "bi_xy", "bi_rgb", "steps", "normalization")
"""Fields of `postprocess.crf.CRF`."""

LAYOUTS = (
    "detectron2",
    "kazuto1011",
    "milesial",
    "mmdet",
    "semseg",
    "smp",
    "solo",
    "torchvision",
    "vainf",
    "wkentaro",
    "yolact",
)
"""Keys of `weights.rename.LAYOUTS`."""

PRECISIONS = ("fp32", "bf16")
"""Keys of `inference.predictor.PRECISIONS`."""

PUBLISHED = (
    "fcn32s.wkentaro-voc",
    "fcn16s.wkentaro-voc",
    "fcn8s.wkentaro-voc",
    "fcn8s_atonce.wkentaro-voc",
    "fcn_resnet50.torchvision-coco-voc",
    "fcn_resnet101.torchvision-coco-voc",
    "deeplabv2_resnet101.kazuto1011-voc",
    "deeplabv2_resnet101.kazuto1011-cocostuff10k",
    "deeplabv2_resnet101.kazuto1011-cocostuff164k",
    "deeplabv3_resnet50.torchvision-coco-voc",
    "deeplabv3_resnet101.torchvision-coco-voc",
    "deeplabv3_mobilenetv3.torchvision-coco-voc",
    "deeplabv3_mobilenetv2.vainf-voc",
    "deeplabv3_resnet50.vainf-voc",
    "deeplabv3_resnet101.vainf-voc",
    "deeplabv3plus_mobilenetv2.vainf-voc",
    "deeplabv3plus_resnet50.vainf-voc",
    "deeplabv3plus_resnet101.vainf-voc",
    "deeplabv3plus_mobilenetv2.vainf-cityscapes",
    "pspnet_resnet50.semseg-ade20k",
    "pspnet_resnet101.semseg-ade20k",
    "pspnet_resnet50.semseg-voc",
    "pspnet_resnet101.semseg-voc",
    "pspnet_resnet50.semseg-cityscapes",
    "pspnet_resnet101.semseg-cityscapes",
    "deeplabv3plus_resnet101.vainf-cityscapes",
    "mask_rcnn_resnet50.torchvision-coco",
    "mask_rcnn_resnet50_v2.torchvision-coco",
    "mask_rcnn_resnet50_1x.detectron2-coco",
    "mask_rcnn_resnet50_3x.detectron2-coco",
    "mask_rcnn_resnet101_3x.detectron2-coco",
    "panoptic_fpn_resnet50_1x.detectron2-coco",
    "panoptic_fpn_resnet50_3x.detectron2-coco",
    "panoptic_fpn_resnet101_3x.detectron2-coco",
    "solo_resnet50.solo-coco-1x",
    "solo_resnet50.solo-coco",
    "solo_resnet101.solo-coco",
    "solo_resnet50.mmdet-coco-1x",
    "solo_resnet50.mmdet-coco",
    "decoupled_solo_resnet50.solo-coco-1x",
    "decoupled_solo_resnet50.solo-coco",
    "decoupled_solo_resnet101.solo-coco",
    "decoupled_solo_light_resnet50.solo-coco",
    "decoupled_solo_resnet50.mmdet-coco-1x",
    "decoupled_solo_resnet50.mmdet-coco",
    "decoupled_solo_light_resnet50.mmdet-coco",
    "solov2_resnet50.solo-coco-1x",
    "solov2_resnet50.solo-coco",
    "solov2_resnet101.solo-coco",
    "solov2_light_resnet18.solo-coco",
    "solov2_light_resnet34.solo-coco",
    "solov2_light_resnet50.solo-coco",
    "solov2_resnet50.mmdet-coco-1x",
    "solov2_resnet50.mmdet-coco",
    "solov2_resnet101.mmdet-coco",
    "solov2_light_resnet18.mmdet-coco",
    "solov2_light_resnet34.mmdet-coco",
    "solov2_light_resnet50.mmdet-coco",
    "yolact_resnet101.yolact-coco",
    "yolact_resnet50.yolact-coco",
    "yolact_darknet53.yolact-coco",
    "yolact_resnet101_700.yolact-coco",
    "unet_padded.milesial-carvana-scale0.5",
    "unet_padded.milesial-carvana-scale1.0",
)
"""Keys of `weights.published.PRESETS`."""
