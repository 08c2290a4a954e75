"""The page, as its text and as a browser draws it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import numpy as np
import pytest

from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Level, Verdict, holds, refuted
from proofs_check.report import Provenance, html_report, standing
from proofs_check.runner import run_claims
from theory.proof_step import ShownStep

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
)
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


def proved(_: Settings):
    steps = (ShownStep("By the chain rule", (r"\frac{\partial \ell}{\partial w} &= h \delta",)),)
    curve = Chart("escape", "digits", "step", (Series("", (1.0, 2.0), (3.0, 6.0)),))
    return holds(
        Level.PROVED_WITH_ERROR,
        "every <input>",
        "an identity test",
        error_bits=61.5,
        figures={"slope": 13.3712},
        derivation=steps,
        charts=(curve,),
    )


def wrong(_: Settings):
    return refuted("", "x = 2", counterexample={"x": "<2>"})


def claim(claim_id: str, expected: Verdict = Verdict.PROVED, check=proved) -> Claim:
    variants = [FalseVariant(name, "it says more", wrong) for name in ("twice", "thrice")]
    return Claim(
        id=claim_id,
        title=f"title of {claim_id}",
        statement=r"Let $\theta \in M$ and a < b.",
        hypotheses=("φ is smooth",),
        where="Theorem 1 & after",
        expected=expected,
        checks=(Check("a check", check),),
        false_variants=tuple(variants),
        corrected_by=None,
    )


def page_of(*claims: Claim) -> str:
    results = run_claims(claims, modules=())
    return html_report(results, Settings(3), Provenance("2026-01-01", 2.0, {"numpy": "2"}))


@pytest.fixture(scope="module")
def page() -> str:
    many = [claim(f"E7.cell{k}") for k in range(8)]
    return page_of(claim("P1"), claim("P2", check=wrong), *many)


def test_the_page_says_what_was_found(page):
    for words in (
        "a check",
        "every &lt;input&gt;",
        "an identity test",
        "proved with error ≤ 2<sup>−61</sup>",
        "13.37",
        "By the chain rule",
        "title of E7.cell7",
        "False because it says more.",
        "&lt;2&gt;",
        "--seed 3",
        "numpy 2",
        "E7 × 8",
        'aria-label="claims by standing"',
    ):
        assert words in page
    assert "<svg" in page
    assert "<mfrac>" in page


def test_what_is_not_as_expected_stands_open_and_is_counted(page):
    assert "9 of 10 claims are as expected" in page
    opened = re.findall(r'<article id="([^"]*)">\s*<details open>', page)
    assert opened == ["P2"]
    assert "All 1 claims are as expected" in page_of(claim("P1"))


def test_the_page_fetches_nothing(page):
    assert not re.findall(r'src=|@import|href="(?!#)[^"]*"|url\((?!#)', page)


def test_standings_are_those_of_the_verdicts():
    results = run_claims((claim("P1"), claim("P2", check=wrong)), modules=())
    assert [standing(r) for r in results] == ["proved-with-error", "refuted"]


def browse(page: str, folder: Path, *options: str) -> str:
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [str(CHROMIUM), *QUIET, f"--user-data-dir={folder / 'profile'}", *options, file.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def screenshot(page: str, folder: Path, width: int) -> np.ndarray:
    from PIL import Image

    picture = folder / "picture.png"
    browse(page, folder, f"--screenshot={picture}", f"--window-size={width},900")
    with Image.open(picture) as image:
        return np.asarray(image.convert("L"), dtype=float)


@in_a_browser
def test_a_browser_draws_it_dark_on_light(page, tmp_path):
    light = screenshot(page, tmp_path, 1000)
    assert np.median(light) > 230
    assert light.min() < 90
    assert (light < 200).mean() > 0.005  # there is something to read


@in_a_browser
def test_the_dark_theme_is_light_on_dark(page, tmp_path):
    dark_only = page.replace("(prefers-color-scheme: dark)", "all")
    dark = screenshot(dark_only, tmp_path, 1000)
    assert np.median(dark) < 60
    assert dark.max() > 180


@in_a_browser
def test_a_phone_shows_it_without_scrolling_sideways(page, tmp_path):
    opened = page.replace("<details>", "<details open>")
    narrow = (
        f'<iframe id="phone" width="390" height="800" srcdoc="{escape(opened)}"></iframe><script>'
        'onload = () => document.title = "width " + document.getElementById("phone")'
        ".contentDocument.documentElement.scrollWidth</script>"
    )
    found = re.search(r"<title>width (\d+)", browse(narrow, tmp_path, "--dump-dom"))
    assert found is not None
    assert int(found[1]) <= 390


@in_a_browser
def test_a_link_opens_its_claim_and_the_filter_hides_the_others(page, tmp_path):
    script = (
        "<script>location.hash = 'P1'; const f = document.getElementById('filter');"
        "f.value = 'title of e7.cell3'; f.dispatchEvent(new Event('input'));</script></body>"
    )
    shown = unescape(browse(page.replace("</body>", script), tmp_path, "--dump-dom"))
    visible = re.findall(r'<article id="([^"]*)">', shown)
    assert visible == ["E7.cell3"]
    assert re.search(r'<article id="P1"[^>]*>\s*<details open', shown)
