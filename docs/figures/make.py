"""Draws every figure of the site: `python docs/figures/make.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import itertools

from draw import Box, Figure


def _road() -> None:
    f = Figure("road", "From an image file to a result", 980, 235)
    y = 30
    a = f.box(15, y, "Image file", "JPEG, PNG,", "TIFF, …", w=105, kind="data")
    b = f.box(160, y, "Sample", "3 × h × w uint8", "+ ground truth", w=130, kind="data")
    c = f.box(330, y, "Batch", "B × 3 × H × W", "float32 in [0, 1]", w=140, kind="data")
    d = f.box(520, y, "model.forward", "Outputs", "(logits, boxes, …)", w=140, kind="backbone")
    e = f.box(700, y, "model.decode", "back to h × w", w=110, h=b.h, kind="neck")
    g = f.box(850, y, "Segmentation", "labels, scores", "ids or masks", w=118, kind="result")
    for one, two, label in ((a, b, ""), (b, c, ""), (c, d, ""), (d, e, ""), (e, g, "")):
        f.arrow(one.right(), two.left(), label=label)
    f.text(140, y + 88, "read: upright, RGB, 8 bit")
    f.text(258, y + 104, "resize by the model's rule, pad to its stride")
    train = f.box(520, 165, "model.loss", "Outputs + ground truth → losses", w=215, kind="training")
    f.arrow(d.bottom(), (d.bottom()[0], train.y), dashed=True)
    f.arrow((c.bottom()[0], c.y + c.h), (c.bottom()[0], 188), (520, 188), dashed=True)
    out = f.box(800, 165, "metrics · overlays\nfiles", w=168, kind="step")
    f.arrow((884 + 25, g.y + g.h), (884 + 25, out.y))
    f.write()


def _fcn() -> None:
    f = Figure("fcn", "FCN-32s, FCN-16s and FCN-8s", 980, 330)
    f.group(10, 10, 960, 118, "VGG16, fully convolutional (image padded by 100 pixels)")
    x, boxes = 25, []
    for title, shape, w, kind in (
        ("image", ("3 × H × W",), 90, "data"),
        ("conv1–2", ("128 × H/4",), 95, "backbone"),
        ("conv3, pool3", ("256 × H/8",), 112, "backbone"),
        ("conv4, pool4", ("512 × H/16",), 112, "backbone"),
        ("conv5, pool5", ("512 × H/32",), 112, "backbone"),
        ("fc6 7×7, fc7 1×1", ("4096 × H/32",), 130, "backbone"),
    ):
        boxes.append(f.box(x, 48, title, *shape, w=w, h=52, kind=kind))
        x += w + 38
    for one, two in itertools.pairwise(boxes):
        f.arrow(one.right(), two.left())
    _, _, p3, p4, _, fc = boxes
    y = 170
    s5 = f.box(fc.x, y, "score 1×1", "C × H/32", w=130, kind="head")
    s4 = f.box(p4.x, y, "score_pool4 1×1", "C × H/16", w=112, kind="head")
    s3 = f.box(p3.x, y, "score_pool3 1×1", "C × H/8", w=112, kind="head")
    for one, two in ((fc, s5), (p4, s4), (p3, s3)):
        f.arrow(one.bottom(), two.top())
    y2 = 270
    plus4 = f.circle(s4.top()[0], y2, "+")
    plus3 = f.circle(s3.top()[0], y2, "+")
    f.arrow(s5.bottom(), (s5.bottom()[0], y2), (plus4.x + plus4.w, y2), label="×2, bilinear", at=(650, y2 - 6))
    f.arrow(s4.bottom(), plus4.top())
    f.arrow(plus4.left(), plus3.right(), label="×2, bilinear")
    f.arrow(s3.bottom(), plus3.top())
    out = f.box(25, y2 - 24, "logits", "C × H × W", w=110, h=48, kind="result")
    f.arrow(plus3.left(), out.right(), label="×8 (FCN-8s)")
    f.text(490, 318, "FCN-32s enlarges the first scores 32 times at once; FCN-16s adds pool4 and enlarges 16 times.")
    f.write()


def _unet() -> None:
    f = Figure("unet", "U-Net of the paper: 572 × 572 in, 388 × 388 out", 980, 470)
    widths = [64, 128, 256, 512, 1024]
    down, up = [568, 280, 136, 64, 28], [388, 196, 100, 52]
    x0, dx, y0, dy = 130, 78, 40, 88
    left, right = [], []
    for k, (c, s) in enumerate(zip(widths, down, strict=False)):
        left.append(f.box(x0 + dx * k, y0 + dy * k, "2 × conv 3×3", f"{c} × {s}²", w=118, kind="backbone"))
    for k, (c, s) in enumerate(zip(widths, up, strict=False)):
        right.append(f.box(870 - 118 - dx * k, y0 + dy * k, "2 × conv 3×3", f"{c} × {s}²", w=118, kind="neck"))
    image = f.box(10, y0, "image", "3 × 572²", w=80, h=left[0].h, kind="data")
    f.arrow(image.right(), left[0].left())
    out = f.box(895, y0, "1×1", "C × 388²", w=78, h=left[0].h, kind="head")
    f.arrow(right[0].right(), out.left())
    for a, b in itertools.pairwise(left):
        f.arrow(
            (a.x + 30, a.y + a.h),
            (a.x + 30, b.y + b.h / 2),
            (b.x, b.y + b.h / 2),
            label="max-pool 2×2",
            at=(a.x - 10, b.y + 4),
        )
    last = left[-1]
    for k in range(4):
        a = last if k == 3 else right[k + 1]
        b = right[k]
        f.arrow(
            (a.x + a.w, a.y + a.h / 2),
            (b.x + 88, a.y + a.h / 2),
            (b.x + 88, b.y + b.h),
            label="up-conv 2×2",
            at=(b.x + 124, a.y + 4),
        )
        f.arrow(left[k].right(), right[k].left(), label="crop the centre, concatenate" if k < 3 else "", dashed=True)
    f.text(490, 462, "No padding: the output is 92 pixels smaller on every side, and mirrored margins make up for it.")
    f.write()


def _unet_backbone() -> None:
    f = Figure("unet_backbone", "U-Net with an encoder of timm, the default of `pixelwise train`", 980, 255)
    strides = [2, 4, 8, 16, 32]
    image = f.box(12, 30, "image", "3 × H × W", w=88, kind="data")
    boxes = []
    for k, s in enumerate(strides):
        boxes.append(f.box(140 + 165 * k, 30, f"encoder, stage {k + 1}", f"D{k + 1} × H/{s}", w=125, kind="backbone"))
    f.arrow(image.right(), boxes[0].left())
    for a, b in itertools.pairwise(boxes):
        f.arrow(a.right(), b.left())
    blocks = []
    for k, (s, c) in enumerate(zip(strides[:4], (32, 64, 128, 256), strict=False)):
        blocks.append(f.box(140 + 165 * k, 150, "2 × conv 3×3", f"{c} × H/{s}", w=125, kind="neck"))
        f.arrow(boxes[k].bottom(), blocks[k].top(), label="skip", at=(boxes[k].bottom()[0] + 18, 112))
    f.arrow(
        (boxes[4].bottom()[0], boxes[4].y + boxes[4].h),
        (boxes[4].bottom()[0], blocks[3].y + 21),
        blocks[3].right(),
        label="×2, nearest",
        at=(boxes[4].bottom()[0] - 50, 166),
    )
    for a, b in zip(blocks[::-1], blocks[-2::-1], strict=False):
        f.arrow(a.left(), b.right(), label="×2")
    head = f.box(12, 150, "3×3", "C × H × W", w=88, h=blocks[0].h, kind="head")
    f.arrow(blocks[0].left(), head.right(), label="×2")
    f.text(490, 236, "Before its logits the decoder has one more block of 16 channels at full resolution.")
    f.write()


def _deeplabv1() -> None:
    f = Figure("deeplabv1", "DeepLab v1, LargeFOV", 980, 270)
    a = f.box(12, 40, "image", "3 × H × W", w=88, h=62, kind="data")
    b = f.box(140, 40, "VGG16 conv1–3", "strides 2, 2, 2", "256 × H/8", w=130, h=62, kind="backbone")
    c = f.box(310, 40, "conv4", "pool4: stride 1", "512 × H/8", w=120, h=62, kind="backbone")
    d = f.box(470, 40, "conv5, rate 2", "pool5: stride 1", "512 × H/8", w=130, h=62, kind="backbone")
    e = f.box(640, 40, "fc6 3×3, rate 12", "fc7 1×1", "1024 × H/8", w=135, h=62, kind="head")
    g = f.box(815, 40, "score 1×1", "C × H/8", w=100, h=62, kind="head")
    for one, two in zip((a, b, c, d, e), (b, c, d, e, g), strict=False):
        f.arrow(one.right(), two.left())
    m = f.box(
        310,
        165,
        "optional multi-scale branches (multiscale=True)",
        "3×3, 1×1 on the image and on conv1–4: 128 × H/8 each",
        w=420,
    )
    for one in (a, b, c):
        f.arrow(
            one.bottom(),
            (one.bottom()[0], m.y + m.h / 2 if one is not c else m.y),
            *([] if one is c else [(m.x, m.y + m.h / 2)]),
            dashed=True,
        )
    f.arrow(m.right(), (865, m.y + m.h / 2), (865, 102), dashed=True)
    f.text(800, 180, "concatenate")
    f.text(490, 245, "Bilinear ×8 to C × H × W; then, as an option, the dense CRF.")
    f.write()


def _deeplabv2() -> None:
    f = Figure("deeplabv2", "DeepLab v2: atrous spatial pyramid and the maximum over three scales", 980, 330)
    ys = [40, 130, 220]
    net = f.box(
        195,
        30,
        "ResNet-101\noutput stride 8\nrates 2 and 4",
        "2048 × h/8",
        "shared weights",
        w=125,
        h=232,
        kind="backbone",
    )
    aspp = [
        f.box(375, 30 + 62 * k, f"3×3, rate {r}", "C × h/8", w=118, h=46, kind="head")
        for k, r in enumerate((6, 12, 18, 24))
    ]
    plus = f.circle(545, 147, "+")
    for _k, (y, s) in enumerate(zip(ys, ("1", "0.75", "0.5"), strict=False)):
        one = f.box(15, y, f"image × {s}", "3 × h × w", w=130, kind="data")
        f.arrow(one.right(), (net.x, one.y + one.h / 2))
    for one in aspp:
        f.arrow((net.x + net.w, one.y + one.h / 2), one.left())
        f.arrow(one.right(), (522, one.y + one.h / 2), (534, 147 + (-8 if one.y < 140 else 8)))
    f.group(365, 10, 205, 262, "ASPP")
    size = f.box(610, 119, "resize", "C × H/8", "for each scale", w=105, h=56, kind="step")
    big = f.box(750, 119, "maximum", "over the scales", "C × H/8", w=110, h=56, kind="step")
    out = f.box(890, 119, "×8", "C × H × W", w=80, h=big.h, kind="result")
    f.arrow(plus.right(), size.left())
    f.arrow(size.right(), big.left())
    f.arrow(big.right(), out.left())
    f.text(490, 312, "In training each scale and the maximum has a loss of its own. The dense CRF may follow.")
    f.write()


def _aspp(f: Figure, x: float, source: Box, rates: tuple[int, int, int], y: float = 25) -> Box:
    """Five branches and their concatenation."""
    titles = ["1×1", *(f"3×3, rate {r}" for r in rates), "image pooling, 1×1"]
    boxes = [f.box(x, y + 52 * k, title, "256 × H/16", w=135, h=42, kind="neck") for k, title in enumerate(titles)]
    cat = f.box(x + 190, y + 80, "concatenate", "1280 × H/16", w=108, h=88, kind="step")
    for one in boxes:
        f.arrow(
            source.right(),
            (source.x + source.w + 18, source.right()[1]),
            (source.x + source.w + 18, one.y + 21),
            one.left(),
        )
        f.arrow(one.right(), (x + 162, one.y + 21), (x + 162, cat.y + 44), cat.left())
    return cat


def _deeplabv3() -> None:
    f = Figure("deeplabv3", "DeepLab v3 at output stride 16", 980, 320)
    a = f.box(12, 124, "image", "3 × H × W", w=88, h=50, kind="data")
    b = f.box(
        130, 104, "ResNet-101", "last stage dilated:", "multi-grid 2, 4, 8", "2048 × H/16", w=140, h=90, kind="backbone"
    )
    f.arrow(a.right(), b.left())
    cat = _aspp(f, 310, b, (6, 12, 18))
    mix = f.box(640, 124, "1×1", "256 × H/16", w=100, h=50, kind="neck")
    head = f.box(770, 124, "1×1", "C × H/16", w=90, h=50, kind="head")
    out = f.box(890, 124, "×16", "C × H × W", w=80, h=50, kind="result")
    for one, two in ((cat, mix), (mix, head), (head, out)):
        f.arrow(one.right(), two.left())
    f.text(490, 308, "At output stride 8 the last two stages are dilated by 2 and 4, and the rates are 12, 24 and 36.")
    f.write()


def _deeplabv3plus() -> None:
    f = Figure("deeplabv3plus", "DeepLab v3+: DeepLab v3 as the encoder, and a decoder", 980, 430)
    a = f.box(12, 124, "image", "3 × H × W", w=88, h=50, kind="data")
    b = f.box(130, 104, "ResNet-101", "output stride 16", "2048 × H/16", w=140, h=90, kind="backbone")
    f.arrow(a.right(), b.left())
    cat = _aspp(f, 310, b, (6, 12, 18))
    mix = f.box(650, 124, "1×1", "256 × H/16", w=110, h=50, kind="neck")
    f.arrow(cat.right(), mix.left())
    up = f.box(800, 124, "×4, bilinear", "256 × H/4", w=110, h=50, kind="step")
    f.arrow(mix.right(), up.left())
    f.group(115, 300, 855, 98, "Decoder")
    low = f.box(140, 334, "1×1 of stride-4 map", "48 × H/4", w=150, h=48, kind="neck")
    f.arrow((200, 194), (200, 334), label="low-level features, stride 4", at=(282, 286))
    join = f.box(330, 334, "concatenate", "304 × H/4", w=110, h=48, kind="step")
    conv = f.box(480, 334, "2 × conv 3×3", "256 × H/4", w=115, h=48, kind="neck")
    head = f.box(635, 334, "1×1", "C × H/4", w=95, h=48, kind="head")
    out = f.box(770, 334, "×4", "C × H × W", w=95, h=48, kind="result")
    f.arrow(low.right(), join.left())
    f.arrow((855, 174), (855, 318), (385, 318), (385, 334))
    for one, two in ((join, conv), (conv, head), (head, out)):
        f.arrow(one.right(), two.left())
    f.text(490, 420, "separable=True makes the 3×3 convolutions of the pyramid and of the decoder separable.")
    f.write()


def _pspnet() -> None:
    f = Figure("pspnet", "PSPNet", 980, 330)
    a = f.box(12, 105, "image", "3 × H × W", w=84, h=50, kind="data")
    b = f.box(125, 90, "ResNet-50", "three 3×3 as stem", "dilated, 2048 × H/8", w=145, h=80, kind="backbone")
    f.arrow(a.right(), b.left())
    boxes = [
        f.box(320, 20 + 56 * k, f"average to {n}×{n}, 1×1", f"512 × {n} × {n}", w=150, h=44, kind="neck")
        for k, n in enumerate((1, 2, 3, 6))
    ]
    cat = f.box(570, 86, "concatenate", "4096 × H/8", w=110, h=88, kind="step")
    for one in boxes:
        f.arrow(b.right(), (295, 130), (295, one.y + 22), one.left())
        f.arrow(
            one.right(),
            (530, one.y + 22),
            (545, cat.y + 44),
            cat.left(),
            label="bilinear" if one is boxes[0] else "",
            at=(505, one.y + 14),
        )
    f.arrow((197, 170), (197, 258), (625, 258), (625, 174), label="the features themselves", at=(420, 252))
    mix = f.box(710, 104, "3×3, dropout", "512 × H/8", w=105, h=52, kind="head")
    head = f.box(840, 104, "1×1", "C × H/8", w=60, h=52, kind="head")
    out = f.box(922, 104, "×8", "C×H×W", w=52, h=52, kind="result")
    f.arrow(cat.right(), mix.left())
    f.arrow(mix.right(), head.left())
    f.arrow(head.right(), out.left())
    f.box(640, 262, "auxiliary classifier on stage 3", "training only, weight 0.4", w=230, kind="training")
    f.arrow((160, 170), (160, 283), (640, 283), dashed=True, label="1024 × H/8", at=(420, 298))
    f.write()


def _pyramid(
    f: Figure, names: tuple[str, ...], strides: tuple[int, ...], taken: int, x: float = 110, y: float = 30
) -> list[Box]:
    """A backbone and its feature pyramid, the finest level below."""
    h, gap = 36, 12
    rows = len(names)
    levels = []
    for k, (name, stride) in enumerate(zip(names, strides, strict=False)):
        top = y + (rows - 1 - k) * (h + gap)
        levels.append(f.box(x + 150, top, f"{name}", f"256 × H/{stride}", w=100, h=h + 4, kind="neck"))
    first = levels[0]
    start = y + (rows - taken) * (h + gap)
    net = f.box(
        x,
        start,
        "backbone",
        "ResNet,",
        "strides",
        " ".join(f"{s}" for s in strides[:taken]),
        w=105,
        h=taken * (h + gap) - gap + 4,
        kind="backbone",
    )
    image = f.box(x - 98, first.y, "image", "3×H×W", w=66, h=first.h, kind="data")
    f.arrow(image.right(), (net.x, image.y + image.h / 2))
    for one in levels[:taken]:
        f.arrow((net.x + net.w, one.y + one.h / 2), one.left())
    for one, two in zip(levels[taken - 1 :: -1][:-1], levels[taken - 2 :: -1], strict=False):
        f.arrow((one.x + 85, one.y + one.h), (two.x + 85, two.y))
    for one, two in zip(levels[taken - 1 :], levels[taken:], strict=False):
        f.arrow((one.x + 15, one.y), (two.x + 15, two.y + two.h))
    return levels


def _mask_rcnn() -> None:
    f = Figure("mask_rcnn", "Mask R-CNN on a feature pyramid", 980, 345)
    _pyramid(f, ("P2", "P3", "P4", "P5", "P6"), (4, 8, 16, 32, 64), 4)
    f.group(245, 8, 130, 268, "")
    f.text(310, 290, "feature pyramid (FPN)")
    rpn = f.box(410, 40, "proposal network", "3 anchors a place:", "objectness, 4 deltas", w=150, kind="head")
    prop = f.box(410, 130, "NMS", "≤ 1000 proposals", w=150, kind="step")
    f.arrow((375, rpn.y + rpn.h / 2), rpn.left())
    f.arrow(rpn.bottom(), prop.top())
    roi = f.box(600, 130, "RoIAlign 7×7", "256 × 7 × 7", w=120, kind="step")
    box = f.box(755, 40, "box branch", "2 × fc 1024", "C scores, 4C deltas", w=150, kind="head")
    f.arrow(prop.right(), roi.left(), label="P2–P5")
    f.arrow((660, roi.y), (660, box.y + box.h / 2), box.left())
    nms = f.box(755, 130, "NMS for each class", "≤ 100 boxes", w=150, kind="step")
    f.arrow(box.bottom(), nms.top())
    roi2 = f.box(410, 230, "RoIAlign 14×14", "256 × 14 × 14", w=150, h=55, kind="step")
    f.arrow(nms.bottom(), (830, 205), (485, 205), (485, 230), label="the boxes that are kept", at=(660, 200))
    mask = f.box(600, 230, "mask branch", "4 × 3×3, ×2", "C × 28 × 28", w=120, h=55, kind="head")
    f.arrow(roi2.right(), mask.left())
    out = f.box(755, 230, "paste, ≥ 0.5", "N masks h × w", "class, score, box", w=150, h=55, kind="result")
    f.arrow(mask.right(), out.left())
    f.text(
        490,
        332,
        "Five losses: objectness and proposal boxes; classes, boxes and masks of 512 sampled regions an image.",
    )
    f.write()


def _panoptic_fpn() -> None:
    f = Figure("panoptic_fpn", "Panoptic FPN: Mask R-CNN and a semantic branch on one pyramid", 980, 345)
    _pyramid(f, ("P2", "P3", "P4", "P5", "P6"), (4, 8, 16, 32, 64), 4)
    f.group(245, 8, 130, 268, "")
    f.text(310, 290, "feature pyramid (FPN)")
    inst = f.box(420, 40, "Mask R-CNN", "proposals, boxes, masks", "N things", w=200, h=70, kind="head")
    f.arrow((375, 75), inst.left(), label="P2–P6")
    sem = f.box(
        420,
        165,
        "semantic branch",
        "3×3 and ×2, repeated",
        "P5 3, P4 2, P3 1 times; P2 3×3",
        "sum: 128 × H/4",
        w=215,
        h=92,
        kind="head",
    )
    f.arrow((375, 211), sem.left(), label="P2–P5")
    stuff = f.box(665, 180, "1×1, ×4", "(1 + S) × H × W", w=120, h=62, kind="head")
    f.arrow(sem.right(), stuff.left())
    f.box(815, 95, "merge", "confident things,", "then stuff where", "no thing is", w=150, h=84, kind="step")
    f.arrow(inst.right(), (770, 75), (770, 125), (815, 125))
    f.arrow(stuff.right(), (890, 211), (890, 179))
    f.box(815, 250, "panoptic result", "ids h × w", w=150, kind="result")
    f.arrow((930, 179), (930, 250))
    f.text(490, 332, "S classes of stuff, and one class for the pixels of all things.")
    f.write()


def _yolact() -> None:
    f = Figure("yolact", "YOLACT: prototypes and coefficients", 980, 345)
    levels = _pyramid(f, ("P3", "P4", "P5", "P6", "P7"), (8, 16, 32, 64, 128), 3)
    f.group(245, 8, 130, 268, "")
    f.text(310, 290, "feature pyramid (FPN)")
    head = f.box(
        420,
        30,
        "prediction head, shared",
        "3 anchors a place:",
        "C classes, 4 box values,",
        "32 coefficients (tanh)",
        w=190,
        h=86,
        kind="head",
    )
    f.arrow((375, 73), head.left(), label="P3–P7")
    nms = f.box(660, 42, "Fast NMS", "≤ 100 objects", "N × 32 coefficients", w=150, h=62, kind="step")
    f.arrow(head.right(), nms.left())
    f.box(420, 205, "Protonet", "3 × 3×3, ×2, 3×3, 1×1", "32 × H/4 × W/4", w=190, h=64, kind="head")
    f.arrow(levels[0].right(), (420, levels[0].y + levels[0].h / 2), label="P3", at=(395, 236))
    mul = f.circle(735, 195, "×")
    f.arrow(nms.bottom(), mul.top())
    f.arrow((610, 237), (735, 237), (735, 208))
    out = f.box(800, 163, "sigmoid, crop to box,\n> 0.5", "N masks h × w", w=165, h=64, kind="result")
    f.arrow(mul.right(), out.left())
    f.box(660, 280, "semantic head on P3 (training)", w=210, h=34, kind="training")
    f.arrow((310, 248 + 5), (310, 305), (660, 305), dashed=True)
    f.write()


def _solo() -> None:
    f = Figure("solo", "SOLO: a grid of cells, each with its own mask", 980, 365)
    _pyramid(f, ("P2", "P3", "P4", "P5", "P6"), (4, 8, 16, 32, 64), 4)
    f.group(245, 8, 130, 268, "")
    f.text(310, 290, "feature pyramid (FPN)")
    size = f.box(405, 95, "resize", "strides", "8 8 16 32 32", w=95, h=70, kind="step")
    f.arrow((375, 130), size.left())
    cat = f.box(540, 30, "category branch", "resize to S × S, 7 × 3×3", "(C − 1) × S × S", w=185, h=70, kind="head")
    mask = f.box(540, 165, "mask branch", "x, y channels, 7 × 3×3, ×2", "S² × 2h × 2w", w=185, h=70, kind="head")
    f.arrow(size.right(), (520, 130), (520, 65), cat.left())
    f.arrow(size.right(), (520, 130), (520, 200), mask.left())
    cand = f.box(770, 30, "cells above 0.1", "local maxima", w=150, h=70, kind="step")
    f.arrow(cat.right(), cand.left())
    nms = f.box(770, 165, "Matrix NMS", "N masks, class, score", w=150, h=70, kind="result")
    f.arrow(mask.right(), nms.left(), label="channel")
    f.arrow(cand.bottom(), nms.top(), label="cell (i, j): channel i · S + j", at=(765, 136))
    f.text(640, 262, "S = 40, 36, 24, 16, 12 for objects of five ranges of size")
    f.box(
        405,
        305,
        "Decoupled SOLO: S maps for columns, S maps for rows; the mask of a cell is their product",
        "S × 2h × 2w and S × 2h × 2w in place of S² × 2h × 2w",
        w=560,
        kind="head",
    )
    f.write()


def _solov2() -> None:
    f = Figure("solov2", "SOLOv2: each cell gives the kernel that finds its mask", 980, 345)
    _pyramid(f, ("P2", "P3", "P4", "P5", "P6"), (4, 8, 16, 32, 64), 4)
    f.group(245, 8, 130, 268, "")
    f.text(310, 290, "feature pyramid (FPN)")
    cat = f.box(440, 20, "category branch", "S × S, 4 × 3×3, 512", "(C − 1) × S × S", w=195, h=64, kind="head")
    ker = f.box(440, 105, "kernel branch", "x, y channels, 4 × 3×3, 512", "256 × S × S", w=195, h=64, kind="head")
    feat = f.box(440, 205, "mask features", "P2–P5, each to stride 4, sum", "256 × H/4 × W/4", w=195, h=64, kind="head")
    f.arrow((375, 52), cat.left(), label="all levels")
    f.arrow((375, 137), ker.left())
    f.arrow((375, 237), feat.left(), label="P2–P5")
    cand = f.box(670, 20, "cells above 0.1", "local maxima", w=130, h=64, kind="step")
    pick = f.box(670, 105, "their kernels", "N × 256", w=130, h=64, kind="step")
    f.arrow(cat.right(), cand.left())
    f.arrow(ker.right(), pick.left())
    f.arrow(cand.bottom(), pick.top())
    conv = f.circle(735, 237, "∗")
    f.arrow(pick.bottom(), conv.top())
    f.arrow(feat.right(), conv.left())
    out = f.box(800, 205, "sigmoid, Matrix NMS", "N masks, class, score", w=165, h=64, kind="result")
    f.arrow(conv.right(), out.left())
    f.text(
        490,
        332,
        "The dynamic convolution is 1×1: a mask is the product of a cell's kernel with the features of each pixel.",
    )
    f.write()


def _merged() -> None:
    f = Figure("merged", "A merged model: semantic and instance results become one panoptic result", 980, 240)
    a = f.box(15, 88, "image", "3 × h × w", w=95, h=52, kind="data")
    s = f.box(170, 30, "semantic model", "any semantic method,", "resized by its rule", w=175, h=64, kind="backbone")
    i = f.box(170, 140, "instance model", "any instance method,", "resized by its rule", w=175, h=64, kind="backbone")
    f.arrow(a.right(), (140, 114), (140, 62), s.left())
    f.arrow(a.right(), (140, 114), (140, 172), i.left())
    sp = f.box(400, 30, "class map", "class of each pixel", w=150, h=64, kind="data")
    ip = f.box(400, 140, "objects", "masks, classes, scores", w=150, h=64, kind="data")
    f.arrow(s.right(), sp.left())
    f.arrow(i.right(), ip.left())
    m = f.box(620, 75, "Merging", "score ≥ 0.5", "≤ half covered", "stuff ≥ stuff_area", w=140, h=84, kind="step")
    f.arrow(sp.right(), (585, 62), (585, 100), (620, 100))
    f.arrow(ip.right(), (585, 172), (585, 135), (620, 135))
    out = f.box(820, 85, "Segmentation", "ids h × w", "things and stuff", w=140, h=64, kind="result")
    f.arrow(m.right(), out.left())
    f.write()


FIGURES = (
    _road,
    _fcn,
    _unet,
    _unet_backbone,
    _deeplabv1,
    _deeplabv2,
    _deeplabv3,
    _deeplabv3plus,
    _pspnet,
    _mask_rcnn,
    _panoptic_fpn,
    _yolact,
    _solo,
    _solov2,
    _merged,
)

if __name__ == "__main__":
    for figure in FIGURES:
        figure()
