"""What lop replay prints is read from the certificate itself."""

from proofs_check.cli import main


def test_an_accepted_certificate_in_words(tmp_path, capsys):
    file = str(tmp_path / "proof.json")
    asked = ["--clone", "h1=0,2", "--freeze", "h1:1=0", "--certificate", file]
    assert main(["prove", "mlp:3-4-2", *asked]) == 0
    capsys.readouterr()
    assert main(["replay", file]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("accepted with error ≤ 2^-")
    assert lines[0].endswith("W1 (3 × 4), b1 (4), W2 (4 × 2), b2 (2)")
    text = "\n".join(lines)
    assert "dimension 14" in text  # as lop prove says
    assert "3  W1[:, 1]\n" in text  # the frozen unit's
    assert "W1: equal steps inside blocks of W1.1: {0, 2}" in text
    assert "on the data entry 1 of node" in text


def test_a_missing_file_is_named_once(capsys):
    assert main(["replay", "none.json"]) == 2
    assert capsys.readouterr().err == "lop: none.json: No such file or directory\n"
