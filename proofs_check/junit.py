"""Verdicts as a JUnit report, for continuous integration."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from proofs_check.result import ClaimResult


def junit_xml(results: Sequence[ClaimResult]) -> str:
    """One test case for each claim: a failure if it is not as expected, an error if a check raised.

    >>> ElementTree.fromstring(junit_xml([]).encode())[0].attrib["tests"]
    '0'
    """
    raised = [_has_error(result) for result in results]
    failed = [not r.is_as_expected and not e for r, e in zip(results, raised, strict=True)]
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        name="lop verify",
        tests=str(len(results)),
        failures=str(sum(failed)),
        errors=str(sum(raised)),
        time=f"{sum(r.seconds for r in results):.3f}",
    )
    for result, has_error in zip(results, raised, strict=True):
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname="lop",
            name=f"{result.claim.id} {result.claim.title}",
            time=f"{result.seconds:.3f}",
        )
        if result.is_as_expected:
            output = ElementTree.SubElement(case, "system-out")
            output.text = _printable(f"{result.verdict.value} ({result.level})")
        else:
            kind = "error" if has_error else "failure"
            problem = ElementTree.SubElement(case, kind, message=_printable(result.problems[0]))
            problem.text = _printable("\n".join(result.problems))
    body = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _has_error(result: ClaimResult) -> bool:
    return any(o.error is not None for o in (*result.checks, *result.false_variants))


def _printable(text: str) -> str:
    """Without the control characters that XML 1.0 has no way to write."""
    return "".join(c if c in "\t\n" or c.isprintable() else "?" for c in text)
