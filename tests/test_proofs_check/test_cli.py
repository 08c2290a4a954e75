"""The command line: what it prints, how it ends, and that bad input costs one line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from proofs_check.cli import main
from proofs_check.commands.app import app
from tests.test_proofs_check import fake_claims

LOP = Path(sys.executable).with_name("lop")
NET = """
import numpy as np
from theory.architecture import Architecture

print("noise")

def net():
    return Architecture(
        lambda p, x: np.tanh(x @ p["W"]) @ p["V"],
        sizes={"x": 2, "h": 4, "y": 1},
        parameters={"W": ("x", "h"), "V": ("h", "y")},
    )

def bad():
    return Architecture(lambda p, x: np.linalg.svd(x), {"x": 2}, {"W": ("x",)})
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fakes(monkeypatch):
    """Verify the fake claims: all in this process, for workers would load the real ones."""
    monkeypatch.setattr("proofs_check.claims.load_claims", lambda: fake_claims.CLAIMS)
    monkeypatch.setattr("proofs_check.commands.verify.processors", lambda: 1)


def lop(*arguments, **options):
    return subprocess.run(
        [LOP, *arguments],
        capture_output=True,
        check=False,
        timeout=120,
        **{"text": True, **options},
    )


BAD = [
    ["prove"],
    ["prove", ""],
    ["prove", "mlp:3-4-2"],
    ["prove", "mlp", "--clone", "h1=0,1"],
    ["prove", "mlp:3-4-x", "--clone", "h1=0,1"],
    ["prove", "missing.py:net", "--clone", "h=0,1"],
    ["prove", "net.py:absent", "--clone", "h=0,1"],
    ["prove", "net.py:bad", "--clone", "x=0,1"],
    ["prove", "no_module_of_that_name:net", "--clone", "h=0,1"],
    ["prove", "mlp:3-4-2", "--clone", "q=0,1"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1/1,2"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,/2"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,4"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,NaN"],
    ["prove", "mlp:3-4-2", "--clone", "h1"],
    ["prove", "mlp:3-4-2", "--clone"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--clone", "h1=2,3"],
    ["prove", "mlp:3-4-2", "--freeze", "h1:3"],
    ["prove", "mlp:3-4-2", "--freeze", "h1:4=0"],
    ["prove", "mlp:3-4-2", "--freeze", "h1:3=nan"],
    ["prove", "mlp:3-4-2", "--freeze", "y:0=0"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--bits", "nan"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--bits", "-3"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--bits", "many"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--seed", "1.5"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--seed", "-1"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--json", "missing/x.json"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--json", "."],
    ["prove", "mlp:3-4-2", "extra", "--clone", "h1=0,1"],
    ["prove", "mlp:3-4-2:log", "--clone", "h1=0,1", "--leaf"],
    ["prove", "mlp:3-4-99999999999", "--clone", "h1=0,1"],
    ["prove", "mlp:3-4-2", "--clone", "h1=0,1", "--json", "a", "--certificate", "./a"],
    ["verify", "P1", "--json", "a", "--junit", "./a"],
    ["verify", "Z9"],
    ["verify", "P1", ""],
    ["verify", "--jobs", "0"],
    ["verify", "--jobs", "two"],
    ["verify", "--seed", "NaN"],
    ["verify", "--json", "missing/x.json"],
    ["verify", "--junit", "missing/x.xml"],
    ["verify", "--html", "missing/x.html"],
    ["verify", "P1", "--html", "a", "--junit", "./a"],
    ["claims", "--json", "missing/x.json"],
    ["claims", "extra"],
    ["nonsense"],
    ["--nonsense"],
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_costs_one_line(folder, capsys, arguments):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    complaint = [line for line in captured.err.splitlines() if line != "noise"]
    assert captured.out == ""
    assert len(complaint) == 1
    assert complaint[0].startswith("lop: ")
    assert os.listdir(folder) == ["net.py"] or set(os.listdir(folder)) == {"net.py", "__pycache__"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "Z9"], "'Z9': no such claim; the claims are P1"),
        (["prove", "mlp:3-4-2", "--clone", "q=0,1"], "unknown axis 'q'; the axes are x, h1, y"),
        (["prove", "mlp:3-4-2", "--clone", "h1=0,1/1,2"], "unit 1 is in blocks[0] too"),
        (["prove", "mlp:3-4-2"], "--zero h:3 or --freeze h:3=0"),
        (["verify", "--seed", "NaN"], "--seed"),
    ],
)
def test_the_line_names_what_was_wrong(capsys, arguments, words):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_help_names_only_claims_that_exist(capsys):
    main(["verify", "--help"])
    assert "E5b stands for E5b.printed too" in " ".join(capsys.readouterr().out.split())
    assert main(["claims"]) == 0
    assert "E5b.printed" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("arguments", [["claims"], ["claims", "--json", "-"]], ids=" ".join)
def test_a_full_disk_costs_one_line(arguments):
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [LOP, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode == 2
    assert result.stderr == "lop: standard output: No space left on device\n"


def test_json_is_exact_in_ascii():
    ascii_only = lop("claims", "--json", "-", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    utf8 = lop("claims", "--json", "-", env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert ascii_only.stdout.isascii()
    assert json.loads(ascii_only.stdout) == json.loads(utf8.stdout)


class TestProve:
    def test_proved(self, capsys):
        assert main(["prove", "mlp:3-4-4-2", "--clone", "h1=0,1/2,3", "--clone", "h2=0,1/2,3"]) == 0
        out = capsys.readouterr().out
        assert out.startswith("proved: training stays on IE∩OE")
        assert "random prime fields, error ≤ 2^-" in out
        assert "dimension 24" in out
        assert "every smooth phi" in out

    def test_refuted(self, capsys):
        assert main(["prove", "mlp:3-4-2", "--clone", "x=0,1"]) == 1
        out = capsys.readouterr().out
        assert out.startswith("refuted: ")
        assert "phi(z) = z" in out

    def test_json_file_of_a_function_in_a_file(self, folder, capsys):
        assert main(["prove", "net.py:net", "--clone", "h=0,1", "--json", "answer.json"]) == 0
        entry = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        assert {
            "verdict": "proved",
            "manifold_dimension": 9,
            "parameters": 12,
            "counterexample": None,
        }.items() <= entry.items()
        assert {"level", "error_bound"} <= set(entry)
        assert "noise" not in capsys.readouterr().out

    def test_json_on_standard_output_is_alone_there(self, folder, capsys):
        assert main(["prove", "net.py:net", "--clone", "x=0,1", "--json", "-"]) == 1
        captured = capsys.readouterr()
        entry = json.loads(captured.out)
        assert entry["verdict"] == "refuted"
        assert entry["counterexample"]["law"]
        assert captured.err == "noise\n"

    def test_long_counterexamples_are_cut(self, capsys):
        assert main(["prove", "mlp:30-30-2", "--clone", "x=0,1"]) == 1
        assert max(map(len, capsys.readouterr().out.splitlines())) < 200


class TestVerify:
    def test_real_claim(self, capsys):
        assert main(["verify", "P1", "--jobs", "1"]) == 0
        captured = capsys.readouterr()
        assert captured.out.startswith("P1 ")
        assert "1 of 1 claims as expected" in captured.out
        assert "P1 algebra of a step: proved" in captured.err

    def test_two_processes(self, capsys):
        assert main(["verify", "P1", "--jobs", "2", "--json", "-"]) == 0
        (entry,) = json.loads(capsys.readouterr().out)
        assert (entry["id"], entry["verdict"], entry["error_bound"]) == ("P1", "proved", 0.0)

    @pytest.mark.usefixtures("fakes")
    def test_as_expected(self, capsys):
        assert main(["verify", "P2", "P3", "P7"]) == 0
        assert "3 of 3 claims as expected" in capsys.readouterr().out

    @pytest.mark.usefixtures("fakes")
    def test_a_differing_verdict_is_status_one_and_named(self, capsys):
        assert main(["verify", "P2", "P4", "P5"]) == 1
        out = capsys.readouterr().out
        assert "P4: false variant accepted is proved, expected refuted" in out
        assert "P5: bug raised ValueError: two lines" in out
        assert "1 of 3 claims as expected" in out

    @pytest.mark.usefixtures("fakes")
    def test_reports(self, folder, capsys):
        assert main(["verify", "P2", "P4", "--json", "-", "--junit", "verdicts.xml"]) == 1
        assert [entry["id"] for entry in json.loads(capsys.readouterr().out)] == ["P2", "P4"]
        assert ElementTree.parse(folder / "verdicts.xml").getroot()[0].attrib["failures"] == "1"

    @pytest.mark.usefixtures("fakes")
    def test_the_page(self, folder):
        assert main(["verify", "P2", "P4", "--html", "page.html"]) == 1
        page = (folder / "page.html").read_text(encoding="utf-8")
        assert "1 of 2 claims are as expected" in page

    @pytest.mark.usefixtures("fakes")
    def test_interruption_writes_nothing(self, folder, monkeypatch):
        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("proofs_check.runner.run_claims", interrupted)
        assert main(["verify", "P2", "--json", "x.json"]) == 130
        assert not (folder / "x.json").exists()


class TestClaims:
    def test_list(self, capsys):
        assert main(["claims"]) == 0
        assert capsys.readouterr().out.startswith("P1 ")

    def test_json(self, capsys):
        assert main(["claims", "--json", "-"]) == 0
        entry = json.loads(capsys.readouterr().out)[0]
        assert (entry["id"], entry["expected"]) == ("P1", "proved")
        assert len(entry["false_variants"]) >= 2


def test_networks_are_listed_with_their_axes(capsys):
    from theory.zoo.names import EXAMPLES, FORMS, KINDS

    assert main(["networks"]) == 0
    out = capsys.readouterr().out
    assert list(FORMS) == list(KINDS) == [example.split(":")[0] for example in EXAMPLES]
    assert all(f"such as {example}; axes" in out for example in EXAMPLES)


@pytest.mark.parametrize("name", ["decoder:11-4", "decoder:11-4-2-8-2-16:gelu:a:b:c"])
def test_a_name_in_another_form_is_told_the_form(capsys, name):
    assert main(["prove", name, "--clone", "d=0,1"]) == 2
    assert "expected decoder:VOCAB-CONTEXT-DEPTH-WIDTH-HEADS-MLP" in capsys.readouterr().err


class TestHelp:
    @pytest.mark.parametrize("command", ["claims", "verify", "prove"])
    def test_examples(self, command):
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0
        assert f"\n    lop {command}" in result.output

    def test_nothing_asked_is_no_success(self, capsys):
        assert main([]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "Usage: lop" in captured.err

    def test_version(self, capsys):
        assert main(["--version"]) == 0
        assert capsys.readouterr().out.startswith("lop 0.")

    def test_help_imports_nothing_heavy(self):
        script = (
            "import sys, proofs_check.cli\n"
            "print([m for m in ('numpy', 'sympy', 'flint', 'rich', 'scipy') if m in sys.modules])"
        )
        found = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == "[]"


class TestProcess:
    """The installed command itself."""

    def test_help_is_quick(self):
        """Under 0.3 s on an idle machine; the best of five on a busy one, with room."""
        times = []
        for _ in range(5):
            start = perf_counter()
            assert lop("--help").returncode == 0
            times.append(perf_counter() - start)
        assert min(times) < 1.0

    def test_statuses(self):
        assert lop("prove", "mlp:3-4-2", "--clone", "h1=0,1").returncode == 0
        assert lop("prove", "mlp:3-4-2", "--clone", "y=0,1").returncode == 1
        assert lop("prove", "mlp:3-4-2", "--clone", "q=0,1").returncode == 2

    def test_no_traceback(self, folder):
        (folder / "broken.py").write_text("raise RuntimeError('one\\ntwo')")
        found = lop("prove", "broken.py:net", "--clone", "h=0,1", cwd=folder)
        assert found.stderr == "lop: broken.py: RuntimeError: one two\n"

    def test_json_is_pure(self, folder):
        found = lop("prove", "net.py:net", "--clone", "h=0,1", "--json", "-", cwd=folder)
        assert json.loads(found.stdout)["verdict"] == "proved"

    def test_verify_in_processes(self):
        found = lop("verify", "P1", "--jobs", "2", "--json", "-")
        assert found.returncode == 0
        assert json.loads(found.stdout)[0]["verdict"] == "proved"

    def test_a_terminal_without_unicode(self):
        environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
        found = lop("prove", "mlp:3-4-2", "--clone", "h1=0,1", env=environment, encoding="latin-1")
        assert found.returncode == 0
        assert found.stdout.startswith("proved: training stays on IE?OE")

    def test_a_closed_pipe(self):
        found = subprocess.run(
            f"{LOP} claims --json - | head -n 1", shell=True, capture_output=True, text=True
        )
        assert "Traceback" not in found.stderr
