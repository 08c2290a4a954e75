"""Each way a target can be wrong has its own line."""

import sys

import pytest

from proofs_check.errors import TargetError
from proofs_check.target import resolve
from theory.errors import ArchitectureError, LopError

NETWORK = """
import numpy as np
from theory.architecture import Architecture

net = Architecture(
    lambda p, x: np.tanh(x @ p["W"]) @ p["V"],
    sizes={"x": 2, "h": 4, "y": 1},
    parameters={"W": ("x", "h"), "V": ("h", "y")},
    name="net",
)
other = net
number = 3

def make():
    return net

def needs(argument):
    return net

def wrong():
    return 3

def fails():
    raise KeyError("x")

def leaves():
    raise SystemExit(3)

class Kind:
    pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "net_file.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith("lop_target_") or n == "net_file"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "target",
    ["net_file.py:net", "net_file.py:make", "./net_file.py:net", "net_file:net", "net_file:make"],
)
def test_objects_of_a_file_or_module(folder, target):
    path = list(sys.path)
    assert resolve(target).name == "net"
    assert sys.path == path


def test_absolute_path(folder):
    assert resolve(f"{folder}/net_file.py:net").name == "net"


def test_a_file_may_import_its_neighbours(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "neighbour_of_net.py").write_text(NETWORK)
    (folder / "sub" / "main.py").write_text("from neighbour_of_net import net")
    assert resolve("sub/main.py:net").name == "net"


def test_ready_made():
    assert resolve("mlp:3-4-2:tanh").name == "mlp:3-4-2:tanh"


def test_prints_of_the_target_go_to_standard_error(folder, capsys):
    (folder / "noisy.py").write_text(NETWORK + "\nprint('noise')")
    resolve("noisy.py:net")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "noise\n")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "expected file.py:name, module:name, or"),
        (":", "expected file.py:name"),
        ("mlp", "expected file.py:name"),
        (":net", "expected file.py:name"),
        ("net_file.py", "which object of the file"),
        ("net_file.py:", "which object of the file"),
        ("missing.py:net", "there is no file missing.py"),
        (".py:net", "there is no file .py"),
        ("net_file.py:absent", "has no 'absent'; its architectures are net, other"),
        ("net_file.py:number", "number is a int, expected an Architecture"),
        ("net_file.py:Kind", "Kind is a class"),
        ("net_file.py:wrong", r"wrong\(\) returns a int"),
        ("net_file.py:needs", "TypeError: needs.* missing 1 required"),
        ("net_file.py:fails", "KeyError: 'x'"),
        ("net_file.py:leaves", "SystemExit: 3"),
        ("absent_module:net", "there is no module absent_module"),
        ("absent.module:net", "there is no module absent.module"),
        ("net_file:absent", "has no 'absent'"),
        ("mlp:tanh", "there is no module mlp"),
        ("os:path", "path is a module"),
    ],
)
def test_wrong_targets(folder, target, message):
    with pytest.raises(TargetError, match=message) as found:
        resolve(target)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("target", ["mlp:3", "mlp:3-0-2", "mlp:3--2", "cnn9:3-4", "mlp:3-4-2:a b"])
def test_wrong_ready_made_networks(target):
    with pytest.raises(LopError):
        resolve(target)


def test_a_syntax_error_without_a_line(folder):
    (folder / "broken.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TargetError, match=r"^broken\.py: syntax error: "):
        resolve("broken.py:net")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net = (", "line 1: syntax error"),
        ("x = \x00", "syntax error|null bytes"),
        ("import absent_dependency", "ModuleNotFoundError: No module named 'absent_dependency'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise SystemExit", "SystemExit"),
        (NETWORK.replace('"h": 4', '"h": 0'), "broken.py: sizes"),
    ],
)
def test_files_that_fail(folder, text, message):
    (folder / "broken.py").write_text(text)
    with pytest.raises(TargetError, match=message) as found:
        resolve("broken.py:net")
    assert "\n" not in str(found.value)
    assert "lop_target_broken" not in sys.modules


def test_a_file_that_is_not_text(folder):
    (folder / "binary.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TargetError, match=r"binary\.py"):
        resolve("binary.py:net")


def test_a_malformed_width_is_shown_a_good_example():
    with pytest.raises(ArchitectureError, match="an example is"):
        resolve("mlp:3-x-2")


def test_a_forward_function_that_draws_a_mask_is_refused(tmp_path):
    drawn = "import numpy as np\nrng = np.random.default_rng()\n" + NETWORK.replace(
        'np.tanh(x @ p["W"])', 'np.tanh(x @ p["W"]) * rng.random(4)'
    )
    (tmp_path / "drawn.py").write_text(drawn, encoding="utf-8")
    with pytest.raises(TargetError, match="something else when it is called again"):
        resolve(f"{tmp_path / 'drawn.py'}:net")


def test_a_ready_made_network_of_one_size_has_no_colon():
    assert resolve("resnet50").num_parameters == 25_557_032
