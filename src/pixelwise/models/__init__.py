"""The methods by name: one paper, one file."""

from .base import SemanticModel
from .unet import PaddedUNet, UNet

MODELS: dict[str, type[SemanticModel]] = {"unet": UNet, "unet_padded": PaddedUNet}
"""What `pixelwise.create` can make."""
