"""JUnit XML, in the form that Jenkins, GitLab and GitHub's actions read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

from nnom_hil.text import printable

__all__ = ["Case", "Suite", "junit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test. failure: what is not as it should be; error: what kept it from being told.

    skipped: why nothing was tried; at most one of the three. seconds: of the host's clock, None
    where nobody took them.
    """

    name: str
    classname: str
    failure: str | None = None
    error: str | None = None
    skipped: str | None = None
    seconds: float | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Tests that belong together. started: in ISO 8601, empty where it is not known."""

    name: str
    cases: tuple[Case, ...]
    started: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


def junit(suites: Iterable[Suite]) -> str:
    """Return the document; the first line of a failure is its message, the whole its text."""
    root = ElementTree.Element("testsuites")
    for suite in suites:
        outcomes = [_outcome(case)[0] for case in suite.cases]
        counts = {
            "tests": str(len(suite.cases)),
            "failures": str(outcomes.count("failure")),
            "errors": str(outcomes.count("error")),
            "skipped": str(outcomes.count("skipped")),
        }
        begun = {"timestamp": suite.started} if suite.started else {}
        element = _element(root, "testsuite", {"name": suite.name, **counts, **begun})
        _add_properties(element, suite.properties)
        for case in suite.cases:
            _add_case(element, case)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _outcome(case: Case) -> tuple[str, str]:
    texts = {"failure": case.failure, "error": case.error, "skipped": case.skipped}
    told = [(kind, text) for kind, text in texts.items() if text is not None]
    return told[0] if told else ("", "")


def _add_case(suite: ElementTree.Element, case: Case) -> None:
    facts = {"name": case.name, "classname": case.classname}
    if case.seconds is not None:
        facts["time"] = f"{case.seconds:.3f}"
    element = _element(suite, "testcase", facts)
    _add_properties(element, case.properties)
    kind, text = _outcome(case)
    if kind:
        message = next(iter(text.splitlines()), "")
        _element(element, kind, {"message": message}).text = printable(text)


def _add_properties(parent: ElementTree.Element, properties: Mapping[str, str]) -> None:
    if properties:
        inner = _element(parent, "properties", {})
        for name, value in properties.items():
            _element(inner, "property", {"name": name, "value": value})


def _element(
    parent: ElementTree.Element, tag: str, facts: Mapping[str, str]
) -> ElementTree.Element:
    shown = {name: printable(value) for name, value in facts.items()}
    return ElementTree.SubElement(parent, tag, shown)
