"""Files are written whole or not at all."""

import os
import stat

import pytest

from proofs_check.errors import OutputError
from proofs_check.files import check_writable, write_text


def test_new_file(tmp_path):
    write_text(tmp_path / "new.json", "∩\n")
    assert (tmp_path / "new.json").read_bytes() == "∩\n".encode()
    assert os.listdir(tmp_path) == ["new.json"]


def test_replacing_keeps_the_mode(tmp_path):
    file = tmp_path / "old"
    file.write_text("old")
    file.chmod(0o640)
    write_text(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_keeps_pointing(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_device_is_written_and_not_replaced():
    write_text(os.devnull, "x")
    assert not os.path.isfile(os.devnull)


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "old"
    file.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_text(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["old"]


@pytest.mark.parametrize(
    ("path", "message"),
    [("missing/x.json", "no folder"), (".", "a folder"), ("", r"^'': expected the name of a file")],
)
def test_unusable_paths(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    for refuse in (check_writable, lambda p: write_text(p, "x")):
        with pytest.raises(OutputError, match=message):
            refuse(path)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_closed_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        check_writable(tmp_path / "x")
