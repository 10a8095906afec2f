"""Which pixels of an image each value of a network depends on, found without computing a single value.

The network runs on tensors that have a shape but no memory. `Watch` sees each operation of PyTorch and keeps, for each
row and column of each map, the first and the last row and column of the image that reach it: exact for any strides,
dilation, padding, corners, crops, and for any number of paths from the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from .sight import FAR, Dim, Sight, Span, constant, gathered, hull, image_map, interpolated, nothing, spread


class Watch(TorchDispatchMode):
    """While it is entered, follows what each tensor sees of an image.

    Operations that mix all rows and columns (means over the image, attention, norms over space) see the whole
    image; so do those that have no rule here.

    Args:
        image: (B, D, H, W) on the device "meta", as are all tensors of the network.
        visit: called after each operation with its function, its positional arguments and its result.
    """

    def __init__(self, image: Tensor, visit: Callable[[Any, Sequence[Any], Any], None] | None = None) -> None:
        super().__init__()
        self.visit = visit
        self.sights = WeakTensorKeyDictionary()
        self.values = WeakTensorKeyDictionary()  # of small whole numbers, which may be positions to pick
        own = {axis: np.tile(np.arange(side), (2, 1)) for axis, side in zip("yx", image.shape[-2:], strict=True)}
        self.sights[image] = image_map(image.shape, own)

    def reach(self, tensor: Tensor) -> int | None:
        """The longest side of what one of its values sees, pixels; None for the whole image, 0 for nothing of it."""
        sight: Sight | None = self.sights.get(tensor)
        return sight.reach() if sight else 0

    def rows(self, tensor: Tensor) -> int | None:
        """How many rows of the image's map a tensor has; None where it has none, or was pooled to a few cells."""
        sight: Sight | None = self.sights.get(tensor)
        return next((size for dim in sight.dims for axis, size in dim if axis == "y"), None) if sight else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs an operation, then says what its results see."""
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and not result.is_floating_point() and all(t in self.values for t in tensors):
            self.values[result] = self._computed(func, args, kwargs)
        if any(tensor in self.sights for tensor in tensors):
            name = func._overloadpacket.__name__.rstrip("_")
            rule = RULES.get(name) or (pointwise if torch.Tag.pointwise in func.tags else everything)
            for output in (leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)):
                self.sights[output] = rule(self, output, *args)
        if self.visit:
            self.visit(func, args, result)
        return result

    def _computed(self, func: Any, args: Any, kwargs: Any) -> Tensor:
        def real(leaf: Any) -> Any:
            return self.values[leaf] if isinstance(leaf, Tensor) else leaf

        device = {"device": torch.device("cpu")} if "device" in kwargs else {}
        found: Tensor = func(*tree_map(real, args), **{**tree_map(real, kwargs), **device})
        return found


def everything(watch: Watch, output: Tensor, *_: Any) -> Sight:
    """The whole image."""
    return Sight(tuple((("", size),) for size in output.shape), {"y": constant(-FAR), "x": constant(-FAR)})


def pointwise(watch: Watch, output: Tensor, *args: Any) -> Sight:
    """What any of the arguments sees, after broadcasting."""
    found = (watch.sights.get(leaf) for leaf in tree_leaves(args) if isinstance(leaf, Tensor))
    return _together([sight for sight in found if sight], output) or everything(watch, output)


def _together(sights: Sequence[Sight], output: Tensor) -> Sight | None:
    """What several see together; None when their dimensions do not run over the same axes."""
    dims: list[Dim] = []
    for k in range(-output.ndim, 0):
        running = {sight.dims[k] for sight in sights if len(sight.dims) >= -k and sight.axes(k)}
        if len(running) > 1:
            return None
        dims.append(running.pop() if running else (("", output.shape[k]),))
    return Sight(tuple(dims), {axis: hull(*(sight.spans[axis] for sight in sights)) for axis in "yx"})


def _convolution(
    watch: Watch, output: Tensor, x: Tensor, weight: Tensor, bias: Any, *window: Any
) -> Sight:  # stride, padding, dilation, transposed, output padding, groups
    if weight in watch.sights:
        return everything(watch, output)
    return _slid(watch, output, x, (weight.shape[2:], *window[:3]), spread if window[3] else gathered)


def _max_pool(
    watch: Watch, output: Tensor, x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, *_: Any
) -> Sight:
    return _slid(watch, output, x, (kernel, stride or kernel, padding, dilation), gathered)


def _average_pool(
    watch: Watch, output: Tensor, x: Tensor, kernel: Any, stride: Any = (), padding: Any = 0, *_: Any
) -> Sight:
    return _slid(watch, output, x, (kernel, stride or kernel, padding, 1), gathered)


def _slid(watch: Watch, output: Tensor, x: Tensor, window: Sequence[Any], slide: Callable[..., Span]) -> Sight:
    """A window (kernel, stride, padding, dilation) that slides over the rows and over the columns."""
    sight: Sight | None = watch.sights.get(x)
    if not sight or not _is_map(sight):
        return everything(watch, output)
    dims, spans = [*image_map(output.shape, {}).dims], dict(sight.spans)
    for axis, k in (("y", -2), ("x", -1)):
        if not sight.axes(k):  # cells that see all alike go on doing so
            dims[k] = (("", output.shape[k]),)
            continue
        lengths = (value if isinstance(value, int) else value[k % len(value)] for value in window)
        spans[axis] = slide(sight.seen(axis, x.shape[k]), output.shape[k], *lengths)
    return Sight(tuple(dims), spans)


def _resized(watch: Watch, output: Tensor, x: Tensor, taps: int, align: bool, scales: Sequence[float | None]) -> Sight:
    sight: Sight = watch.sights[x]
    if not _is_map(sight):
        return everything(watch, output)
    spans = {}
    for axis, k, scale in zip("yx", (-2, -1), scales or (None, None), strict=True):
        spans[axis] = interpolated(sight.seen(axis, x.shape[k]), output.shape[k], taps, align, scale)
    return image_map(output.shape, spans)


def _is_map(sight: Sight) -> bool:
    """Whether the last two of four dimensions run over rows and columns, or are pooled to cells that see all alike."""
    *others, rows, columns = (sight.axes(k) for k in range(len(sight.dims)))
    return len(others) == 2 and not any(others) and rows in ("", "y") and columns in ("", "x")


def _linear(watch: Watch, output: Tensor, x: Tensor, size: Any, align: bool, *scales: Any) -> Sight:
    return _resized(watch, output, x, 2, align, scales)


def _cubic(watch: Watch, output: Tensor, x: Tensor, size: Any, align: bool, *scales: Any) -> Sight:
    return _resized(watch, output, x, 4, align, scales)


def _nearest(watch: Watch, output: Tensor, x: Tensor, size: Any, *scales: Any) -> Sight:
    return _resized(watch, output, x, 1, False, scales)


def _batch_norm(watch: Watch, output: Tensor, x: Tensor, *_: Any) -> Sight:
    return pointwise(watch, output, x) if output.shape == x.shape else everything(watch, output)  # or its statistics


def _layer_norm(watch: Watch, output: Tensor, x: Tensor, shape: Sequence[int], *_: Any) -> Sight:
    mixed = watch.sights[x].axes(*range(-len(shape), 0))
    return everything(watch, output) if mixed else _batch_norm(watch, output, x)


def _softmax(watch: Watch, output: Tensor, x: Tensor, dim: int, *_: Any) -> Sight:
    return everything(watch, output) if watch.sights[x].axes(dim) else pointwise(watch, output, x)


def _reduced(watch: Watch, output: Tensor, x: Tensor, over: Any = None, *_: Any) -> Sight:
    sight: Sight = watch.sights[x]
    gone = {dim % x.ndim for dim in ([over] if isinstance(over, int) else over or range(x.ndim))}
    dims = [(("", 1),) if k in gone else dim for k, dim in enumerate(sight.dims)]
    if output.ndim < x.ndim:
        dims = [dim for k, dim in enumerate(dims) if k not in gone]
    return Sight(tuple(dims), {**sight.spans, **{axis: constant(-FAR) for axis in sight.axes(*gone)}})


def _concatenated(watch: Watch, output: Tensor, parts: Sequence[Tensor], dim: int = 0) -> Sight:
    mixed = any(watch.sights[part].axes(dim) for part in parts if part in watch.sights)
    return everything(watch, output) if mixed else pointwise(watch, output, parts)


def _stacked(watch: Watch, output: Tensor, parts: Sequence[Tensor], dim: int = 0) -> Sight:
    at = dim % output.ndim
    found = [watch.sights[part] for part in parts if part in watch.sights]
    moved = [Sight((*sight.dims[:at], (), *sight.dims[at:]), sight.spans) for sight in found]
    return _together(moved, output) or everything(watch, output)


def _split(watch: Watch, output: Tensor, x: Tensor, sizes: Any, dim: int = 0) -> Sight:
    return _concatenated(watch, output, [x], dim)


def _unbound(watch: Watch, output: Tensor, x: Tensor, dim: int = 0, *_: Any) -> Sight:
    sight: Sight = watch.sights[x]
    dims = [one for k, one in enumerate(sight.dims) if k != dim % x.ndim]
    return everything(watch, output) if sight.axes(dim) else Sight(tuple(dims), sight.spans)


def _padded(watch: Watch, output: Tensor, x: Tensor, borders: Sequence[int], *_: Any) -> Sight:
    sight: Sight | None = watch.sights[x]
    for k, (before, after) in enumerate(zip(borders[::2], borders[1::2], strict=True)):

        def widened(seen: Span, before: int = before, after: int = after) -> Span:
            whole = np.concatenate([nothing(max(before, 0)), seen, nothing(max(after, 0))], axis=1)
            return whole[:, max(-before, 0) : whole.shape[1] - max(-after, 0)]

        sight = sight and _picked(sight, output, -1 - k, widened)
    return sight or everything(watch, output)


def _sliced(
    watch: Watch,
    output: Tensor,
    x: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Sight:
    return _picked(watch.sights[x], output, dim, lambda seen: seen[:, start:end:step]) or everything(watch, output)


def _selected(watch: Watch, output: Tensor, x: Tensor, dim: int, index: Tensor) -> Sight:
    if index not in watch.values or x not in watch.sights:
        return everything(watch, output)
    position = watch.values[index].numpy()
    return _picked(watch.sights[x], output, dim, lambda seen: seen[:, position]) or everything(watch, output)


def _flipped(watch: Watch, output: Tensor, x: Tensor, dims: Sequence[int]) -> Sight:
    sight: Sight | None = watch.sights[x]
    for dim in dims:
        sight = sight and _picked(sight, output, dim, lambda seen: seen[:, ::-1])
    return sight or everything(watch, output)


def _picked(sight: Sight, output: Tensor, dim: int, pick: Callable[[Span], Span]) -> Sight | None:
    """One dimension with other rows or columns; None where it does not run over one axis alone."""
    axes, k = sight.axes(dim), dim % output.ndim
    if axes and len(sight.dims[k]) > 1:
        return None
    dims = (*sight.dims[:k], ((axes, output.shape[k]),), *sight.dims[k + 1 :])
    spans = {**sight.spans, axes: pick(sight.seen(axes, sight.dims[k][0][1]))} if axes else sight.spans
    return Sight(dims, spans)


def _permuted(watch: Watch, output: Tensor, x: Tensor, order: Sequence[int]) -> Sight:
    sight: Sight = watch.sights[x]
    return Sight(tuple(sight.dims[dim] for dim in order), sight.spans)


def _transposed(watch: Watch, output: Tensor, x: Tensor, a: int = 0, b: int = -1) -> Sight:
    order = list(range(output.ndim))
    order[a], order[b] = order[b], order[a]
    return _permuted(watch, output, x, order)


def _viewed(watch: Watch, output: Tensor, x: Tensor, *_: Any) -> Sight:
    """The same values under other dimensions: rows and columns stay what they are unless they are cut apart."""
    sight: Sight = watch.sights[x]
    left: list[tuple[str, int]] = []
    for axis, size in (run for dim in sight.dims for run in dim if run[1] > 1):
        if not axis and left and not left[-1][0]:
            size *= left.pop()[1]
        left.append((axis, size))
    dims: list[Dim] = []
    for wanted in output.shape:
        dim: list[tuple[str, int]] = []
        while wanted > 1:
            axis, size = left.pop(0)
            if not axis and size > wanted and size % wanted == 0:
                left.insert(0, ("", size // wanted))
                size = wanted
            elif wanted % size:
                return everything(watch, output)
            dim.append((axis, size))
            wanted //= size
        dims.append(tuple(dim) or (("", 1),))
    return Sight(tuple(dims), sight.spans)


def _multiplied(watch: Watch, output: Tensor, *args: Any) -> Sight:
    """Matrices: the rows of the left or the columns of the right may be pixels; what is summed over may not."""
    left, right = (watch.sights.get(matrix) for matrix in args[-2:])
    if left and not right and not left.axes(-1):
        return Sight((*left.dims[:-1], (("", output.shape[-1]),)), left.spans)
    if right and not left and not right.axes(-2):
        return Sight((*right.dims[:-2], (("", output.shape[-2]),), right.dims[-1]), right.spans)
    return everything(watch, output)


RULES: dict[str, Callable[..., Sight]] = {
    **dict.fromkeys(("alias", "clone", "detach", "_to_copy", "expand"), pointwise),
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
    "upsample_bilinear2d": _linear,
    "upsample_bicubic2d": _cubic,
    "upsample_nearest2d": _nearest,
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    "native_layer_norm": _layer_norm,
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax"), _softmax),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "var_mean"), _reduced),
    "cat": _concatenated,
    "stack": _stacked,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    **dict.fromkeys(("unbind", "select"), _unbound),
    "constant_pad_nd": _padded,
    "slice": _sliced,
    "index_select": _selected,
    "flip": _flipped,
    "permute": _permuted,
    **dict.fromkeys(("transpose", "t"), _transposed),
    **dict.fromkeys(("view", "_unsafe_view", "squeeze", "unsqueeze"), _viewed),
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), _multiplied),
}
"""Operation of ATen → what its result sees; those that PyTorch calls pointwise need no rule."""
