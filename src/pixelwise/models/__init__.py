"""The segmentation methods by name: one file or folder for each paper."""

from .base import Model
from .deeplabv1 import DeepLabV1
from .deeplabv2 import DeepLabV2
from .deeplabv3 import DeepLabV3
from .deeplabv3plus import DeepLabV3Plus
from .fcn import FCN8s, FCN16s, FCN32s, FCNResNet
from .mask_rcnn.mask_rcnn import MaskRCNN
from .panoptic_fpn import PanopticFPN
from .pspnet import PSPNet
from .solo.decoupled_solo import DecoupledSOLO
from .solo.solo import SOLO
from .solo.solov2 import SOLOv2
from .unet import PaddedUNet, UNet
from .yolact.yolact import YOLACT

MODELS: dict[str, type[Model]] = {
    "fcn32s": FCN32s,
    "fcn16s": FCN16s,
    "fcn8s": FCN8s,
    "fcn_resnet": FCNResNet,
    "unet": UNet,
    "unet_padded": PaddedUNet,
    "deeplabv1": DeepLabV1,
    "deeplabv2": DeepLabV2,
    "deeplabv3": DeepLabV3,
    "deeplabv3plus": DeepLabV3Plus,
    "pspnet": PSPNet,
    "mask_rcnn": MaskRCNN,
    "panoptic_fpn": PanopticFPN,
    "yolact": YOLACT,
    "solo": SOLO,
    "decoupled_solo": DecoupledSOLO,
    "solov2": SOLOv2,
}
"""Name for `pixelwise.create` → class of the method; semantic methods by year, then instance and panoptic ones."""
