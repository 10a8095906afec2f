"""The methods by name: one paper, one file."""

from .base import SemanticModel
from .pspnet import PSPNet
from .unet import PaddedUNet, UNet

MODELS: dict[str, type[SemanticModel]] = {
    "pspnet": PSPNet,
    "unet": UNet,
    "unet_padded": PaddedUNet,
}
"""What `pixelwise.create` can make."""
