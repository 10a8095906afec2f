"""Backbones: the feature extractors of timm, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..ops.names import suggest
from .normalize import Normalize


class Backbone(nn.Module):
    """Any network of timm that returns feature maps, with random weights: constructors download nothing.

    Args:
        name: as in timm, `resnet34` or `tf_efficientnet_lite0`; a tag of pretrained weights may follow a dot.
        out_indices: indices of the feature maps to return, 0 the finest; all when not given.
        output_stride: 32, or 16 or 8 for networks that timm can dilate.
        changes: further arguments of timm's network, `{"stem_type": "deep", "stem_width": 64}` for example.

    Attributes:
        channels: of each feature map, the finest first.
        strides: ratio of the image to each feature map.
        multiple: sides of images must be a multiple of this: 1 if any size fits.
        options: arguments for `timm.create_model` that make the network again.

    Raises:
        ValueError: timm does not know the name (similar ones are suggested), or the network has no feature maps, takes
            images of one size only, or cannot have this output stride.
    """

    def __init__(
        self,
        name: str,
        out_indices: Sequence[int] | None = None,
        output_stride: int = 32,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        import timm

        if not timm.is_model(name):
            raise ValueError(f"timm {timm.__version__} has no backbone {name!r}: {suggest(name, timm.list_models())}")
        self.name = name
        self.options: dict[str, Any] = {"features_only": True, **(changes or {})}
        if out_indices is not None:
            self.options["out_indices"] = tuple(out_indices)
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride is {output_stride}: it must be 8, 16 or 32")
        if output_stride != 32:
            self.options["output_stride"] = output_stride
        try:
            self.config: dict[str, Any] = timm.get_pretrained_cfg(name).to_dict()
        except RuntimeError:
            known = timm.list_pretrained(f"{name.split('.')[0]}.*")
            raise ValueError(f"timm {timm.__version__} has no weights {name!r}: {suggest(name, known)}") from None
        self.net = self._make(timm)
        self.channels: tuple[int, ...] = tuple(self.net.feature_info.channels())
        self.strides: tuple[int, ...] = tuple(self.net.feature_info.reduction())
        self.channels_last = str(getattr(self.net, "output_fmt", "")).endswith("NHWC")
        self.multiple = self._multiple(timm)

    def _make(self, timm: Any) -> Any:
        if self.config["fixed_input_size"]:  # a transformer; most take other sizes too with this option
            try:
                made = timm.create_model(self.name, pretrained=False, dynamic_img_size=True, **self.options)
                self.options["dynamic_img_size"] = True
                return made
            except TypeError:
                pass
        try:
            return timm.create_model(self.name, pretrained=False, **self.options)
        except (RuntimeError, TypeError, NotImplementedError, AttributeError, AssertionError, IndexError) as error:
            options = ", ".join(f"{key}={value}" for key, value in self.options.items() if key != "features_only")
            having = f" with {options}" if options else ""
            raise ValueError(f"backbone {self.name!r} cannot give feature maps{having}: {error}") from None

    def _multiple(self, timm: Any) -> int:
        """The multiple that sides of images must be of, tried out on the meta device, which needs no memory."""
        with torch.device("meta"):
            net = timm.create_model(self.name, pretrained=False, **self.options).eval()
        if self._fits(net, (1, 1)) and self._fits(net, (35, 71)):  # odd sides, so that every stride has to round
            return 1
        deepest = max(self.strides)
        if self._fits(net, (9 * deepest, 6 * deepest)):
            return deepest
        size = "x".join(map(str, self.config["input_size"][1:]))
        raise ValueError(f"backbone {self.name!r} takes images of {size} only: choose one that takes any size")

    def _fits(self, net: Any, size: tuple[int, int]) -> bool:
        """Check that feature maps of an image of this size have the sizes that their strides promise."""
        try:
            with torch.no_grad():
                maps = self._ordered(net(torch.empty(1, 3, *size, device="meta")))
        except (RuntimeError, AssertionError, ValueError, IndexError):
            return False
        height, width = size
        expected = [(-(-height // stride), -(-width // stride)) for stride in self.strides]  # rounded up
        return [tuple(m.shape[-2:]) for m in maps] == expected

    def _ordered(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Feature maps as (B, D, h, w); some transformers of timm give (B, h, w, D)."""
        return [m.permute(0, 3, 1, 2) if self.channels_last else m for m in maps]

    def normalize(self) -> Normalize:
        """Make the normalisation with which the pretrained weights were trained."""
        return Normalize(self.config["mean"], self.config["std"])

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W), normalised → (B, channels[i], ⌈H / strides[i]⌉, ⌈W / strides[i]⌉) each, the finest first."""
        return self._ordered(self.net(images))
