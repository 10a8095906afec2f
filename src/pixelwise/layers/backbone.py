"""Feature extractors of timm, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..ops.names import suggest
from .normalize import Normalize


class Backbone(nn.Module):
    """Any network of timm that can give its feature maps, with random weights: constructors download nothing.

    Args:
        name: as in timm, `resnet34` or `tf_efficientnet_lite0`; a tag of pretrained weights may follow a dot.
        out_indices: which of its feature maps to return, from the finest (0); all when not given.
        output_stride: 32, or 16 or 8 for networks that timm can dilate instead.
        changes: further arguments of timm's network, `{"stem_type": "deep", "stem_width": 64}` for example.

    Attributes:
        channels: of each feature map.
        strides: pixels of the image to one of each feature map.
        multiple: sides of images must be a multiple of this: 1 where any size will do.
        options: what the network was made with, for timm.

    Raises:
        ValueError: for a name that timm does not know (the nearest are offered), a network without feature maps, one
            that takes images of one size only, or an output stride that it does not have.
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
        if self.config["fixed_input_size"]:  # a transformer: most can be told to take other sizes too
            try:
                made = timm.create_model(self.name, pretrained=False, dynamic_img_size=True, **self.options)
                self.options["dynamic_img_size"] = True
                return made
            except TypeError:
                pass
        try:
            return timm.create_model(self.name, pretrained=False, **self.options)
        except (RuntimeError, TypeError, NotImplementedError, AttributeError, AssertionError, IndexError) as error:
            asked = ", ".join(f"{key}={value}" for key, value in self.options.items() if key != "features_only")
            raise ValueError(
                f"backbone {self.name!r} cannot give feature maps{asked and f' with {asked}'}: {error}"
            ) from None

    def _multiple(self, timm: Any) -> int:
        """Which sizes the network takes, found out with tensors that have a shape but no memory."""
        with torch.device("meta"):
            net = timm.create_model(self.name, pretrained=False, **self.options).eval()
        if self._fits(net, (1, 1)) and self._fits(net, (35, 71)):
            return 1
        deepest = max(self.strides)
        if self._fits(net, (9 * deepest, 6 * deepest)):
            return deepest
        size = "x".join(map(str, self.config["input_size"][1:]))
        raise ValueError(f"backbone {self.name!r} takes images of {size} only: choose one that takes any size")

    def _fits(self, net: Any, size: tuple[int, int]) -> bool:
        try:
            with torch.no_grad():
                maps = self._ordered(net(torch.empty(1, 3, *size, device="meta")))
        except (RuntimeError, AssertionError, ValueError, IndexError):
            return False
        wanted = [tuple(-(-side // stride) for side in size) for stride in self.strides]
        return [tuple(m.shape[-2:]) for m in maps] == wanted

    def _ordered(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [m.permute(0, 3, 1, 2) if self.channels_last else m for m in maps]

    def normalize(self) -> Normalize:
        """The normalisation that the pretrained weights were trained with."""
        return Normalize(self.config["mean"], self.config["std"])

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W), normalised → (B, channels[i], ⌈H / strides[i]⌉, ⌈W / strides[i]⌉) each, the finest first."""
        return self._ordered(self.net(images))
