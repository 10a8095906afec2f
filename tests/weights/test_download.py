"""Published checkpoints: downloaded whole from a real server, checked, found again; what is said where that fails."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from filling import state_dict

import pixelwise
from pixelwise.data.recognition.known_classes import known_classes
from pixelwise.models import MODELS
from pixelwise.weights.download import obtain
from pixelwise.weights.published import PRESETS, Preset
from pixelwise.weights.rename import LAYOUTS, find_table

CARVANA = "unet_padded.milesial-carvana-scale0.5"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files; promises too much of `short.pth`, and answers `page` as shops for files do."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if "short" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"1234")
        else:
            super().do_GET()


@pytest.fixture(scope="module")
def milesial(tmp_path_factory):
    """A folder with their file, its SHA-256 and the tensors."""
    folder = tmp_path_factory.mktemp("server")
    theirs = pixelwise.create("unet_padded", num_classes=2)
    tensors = {}
    table = LAYOUTS["milesial"][0]
    back = {ours: start for start, ours in table.prefixes.items()}
    for name, value in theirs.state_dict().items():
        start = max((ours for ours in back if name.startswith(ours)), key=len)
        tensors[back[start] + name.removeprefix(start)] = value
    filled = state_dict({name: value.shape for name, value in tensors.items()})
    torch.save({**filled, "mask_values": [0, 255]}, folder / "carvana.pth")
    (folder / "page.html").write_text("<html>are you a robot?</html>")
    return folder


@pytest.fixture
def address(milesial):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=milesial))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PIXELWISE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "home"


@pytest.mark.slow
def test_a_preset_is_downloaded_once_and_loaded(milesial, address, home, monkeypatch):
    digest = hashlib.sha256((milesial / "carvana.pth").read_bytes()).hexdigest()
    preset = replace(PRESETS[CARVANA], url=f"{address}/carvana.pth", file="carvana.pth", hash=digest[:8])
    monkeypatch.setitem(PRESETS, CARVANA, preset)
    model = pixelwise.create(CARVANA)
    assert not model.training
    assert model.classes.names == ("background", "car")
    assert [path.name for path in home.iterdir()] == ["carvana.pth"]
    monkeypatch.setitem(PRESETS, CARVANA, replace(preset, url="http://127.0.0.1:1/gone.pth"))
    again = pixelwise.load(CARVANA)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def preset(url: str | None, hash: str = "") -> Preset:
    return Preset("unet_padded", "milesial", "carvana", "x.pth", "https://example.org/x", "MIT", "", url=url, hash=hash)


def test_another_file_than_the_published_one_is_not_kept(address, home):
    for wrong in ("0123abcd", "md5:0123abcd"):
        with pytest.raises(ValueError, match=r"the published file 0123abcd.*damaged or another.*example\.org"):
            obtain(preset(f"{address}/carvana.pth", wrong))
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("short.pth", "broke off after 4 of 1000 bytes"),
        ("page.html", "a page came and not a file"),
        ("nothing.pth", "Not Found|File not found"),
    ],
)
def test_what_cannot_be_downloaded_says_what_to_bring(address, home, path, reason):
    with pytest.raises(OSError, match=rf"cannot download .*({reason}).*save them as .*x\.pth"):
        obtain(preset(f"{address}/{path}"))
    assert list(home.iterdir()) == []


def test_offline_says_what_to_bring(home):
    with pytest.raises(OSError, match=rf"cannot download.*example\.org/x in a browser.*{home / 'x.pth'}"):
        obtain(preset("http://127.0.0.1:1/x.pth"))
    with pytest.raises(OSError, match=r"has no address of its own.*example\.org/x"):
        obtain(preset(None))


def test_a_file_that_was_brought_is_found(home):
    home.mkdir()
    (home / "x.pth").write_bytes(b"brought")
    assert obtain(preset(None)) == home / "x.pth"


def test_pytorchs_own_downloads_are_found(tmp_path):
    place = tmp_path / "torch" / "hub" / "checkpoints"
    place.mkdir(parents=True)
    (place / "x.pth").write_bytes(b"there")
    assert obtain(preset(None)) == place / "x.pth"


def test_names():
    with pytest.raises(ValueError, match=r"did you mean 'deeplabv3_resnet50\.torchvision-coco-voc'"):
        pixelwise.create("deeplabv3_resnet50.torchvision-coco")
    with pytest.raises(ValueError, match="so num_classes cannot be chosen"):
        pixelwise.create(CARVANA, num_classes=3)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_made(name):
    """The model that it names exists and has that layout; made without memory."""
    chosen = PRESETS[name]
    assert chosen.model in MODELS
    assert chosen.model in {table.architecture for table in LAYOUTS[chosen.layout]}
    assert chosen.url is None or chosen.url.startswith("https://")
    assert len({p.file for p in PRESETS.values()}) == len(PRESETS)
    with torch.device("meta"):
        model = pixelwise.create(chosen.model, classes=known_classes(chosen.classes), **chosen.arguments)
    assert find_table(model, chosen.layout)
