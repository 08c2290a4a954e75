"""Certificates have one text, and what is not proved has none."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from numerics.exact import prove_invariance
from proofs_check.certificate import make_certificate
from proofs_check.cli import main
from proofs_check.errors import CertificateError
from theory.architecture import Architecture
from theory.manifold import equitable, incoming_equitable
from theory.partition import make_partition
from theory.zoo import mlp

PROVE = ["prove", "mlp:2-4-1:tanh", "--clone", "h1=0,1/2,3"]
WRITE = f"from proofs_check.cli import main; main({[*PROVE, '--certificate', 'FILE']!r})"


def test_bytes_do_not_depend_on_hash_seeds_or_threads(tmp_path):
    texts = set()
    for seed, threads in (("0", "1"), ("77", "2")):
        file = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
        environment["OPENBLAS_NUM_THREADS"] = threads
        command = [sys.executable, "-c", WRITE.replace("FILE", str(file))]
        root = Path(__file__).parents[2]
        subprocess.run(command, env=environment, check=True, capture_output=True, cwd=root)
        texts.add(file.read_bytes())
    assert len(texts) == 1


def test_written_and_replayed(tmp_path, capsys):
    file = tmp_path / "proof.json"
    assert main([*PROVE, "--certificate", str(file)]) == 0
    capsys.readouterr()
    assert main(["replay", str(file), "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "accepted"
    assert report["bits"] >= json.loads(file.read_text())["bits"] >= 60
    file.write_text(file.read_text().replace("tanh", "silu"))
    assert main(["replay", str(file)]) == 1
    assert "rejected: a digest differs" in capsys.readouterr().out


def test_unusable_files(tmp_path, capsys):
    file = tmp_path / "proof.json"
    assert main(["replay", str(file)]) == 2
    for text in (
        "",
        "{",
        "[" * 100_000,
        "\ud800".encode("utf-8", "surrogatepass").decode("latin1"),
    ):
        file.write_text(text, encoding="utf-8")
        assert main(["replay", str(file)]) == 2
    file.write_text("[]\n")
    assert main(["replay", str(file)]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_what_is_refuted_has_no_certificate(tmp_path, capsys):
    net = mlp([2, 4, 1])
    clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    half = incoming_equitable(net, clones)
    result = prove_invariance(net, half)
    with pytest.raises(CertificateError, match="no certificate: refuted"):
        make_certificate(net, half, half, result)
    file = tmp_path / "none.json"
    (tmp_path / "net.py").write_text(
        "import numpy as np\nfrom theory.architecture import Architecture\n"
        "net = Architecture(lambda p, x: np.tanh(x @ p['W'] + np.array([1, 2])) @ p['V'],\n"
        "    {'x': 1, 'h': 2, 'y': 1}, {'W': ('x', 'h'), 'V': ('h', 'y')})\n"
    )
    arguments = ["prove", f"{tmp_path / 'net.py'}:net", "--clone", "h=0,1"]
    assert main([*arguments, "--certificate", str(file)]) == 1
    assert "no certificate" in capsys.readouterr().err
    assert not file.exists()


def test_a_manifold_without_conditions_has_no_certificate():
    net = mlp([2, 4, 1])
    everything = equitable(net, make_partition(net.sizes, {}))
    with pytest.raises(CertificateError, match="everything"):
        make_certificate(net, everything, everything, prove_invariance(net, everything))


def test_a_number_that_is_too_long_to_read_has_no_certificate():
    net = Architecture(
        lambda p, x: np.tanh(x @ p["W"]) @ p["V"] * Fraction(10**4000),
        {"x": 1, "h": 2, "y": 1},
        {"W": ("x", "h"), "V": ("h", "y")},
    )
    clones = equitable(net, make_partition(net.sizes, {"h": [[0, 1]]}))
    result = prove_invariance(net, clones)
    with pytest.raises(CertificateError, match="more than 4000 digits"):
        make_certificate(net, clones, clones, result)
