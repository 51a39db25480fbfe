"""JUnit XML: whatever the texts, a parser reads it, and its counts are those of its elements."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given

from simulator.reports.junit import junit
from simulator.reports.suite_object import Reported
from tests.reports.suites import broken, failed, missed, passed, replayed, reports


def parsed(reported: list[Reported]) -> ElementTree.Element:
    return ElementTree.fromstring(junit(reported, seed=5))


@given(reports())
def test_it_can_be_parsed_and_its_counts_are_right(reported: list[Reported]) -> None:
    root = parsed(reported)
    assert len(root.findall("testsuite/testcase")) == len(reported)
    for element in [root, *root.findall("testsuite")]:
        assert int(element.get("tests", "")) == len(list(element.iter("testcase")))
        assert int(element.get("failures", "")) == len(list(element.iter("failure")))
        assert int(element.get("errors", "")) == len(list(element.iter("error")))


def test_each_kind_of_outcome_has_its_element() -> None:
    root = parsed([passed(), failed(), broken(), missed(), replayed()])
    assert [suite.get("name") for suite in root] == ["ckptrace.regressions", "ckptrace.scenarios"]
    found = {
        case.get("name"): [(child.tag, child.get("type")) for child in case if child.tag != "properties"]
        for case in root.iter("testcase")
    }
    assert found == {
        "scenarios/regressions/kept.json": [("failure", "no-error")],
        "scenarios/sound.toml": [],
        "scenarios/racy.toml": [("failure", "no-error")],
        "scenarios/alone.toml": [("error", "CannotDo")],
        "corpus/known.toml": [("failure", "expectation")],
    }


def test_a_failure_holds_lanes_confirmation_and_the_command_that_replays_it() -> None:
    (failure,) = parsed([failed()]).iter("failure")
    text = failure.text or ""
    assert "The order of A and B decides" in text
    assert "confirmed on ext4" in text
    assert "replay  ckptrace replay 'out/trace 1.json'" in text


def test_a_case_has_its_figures_as_properties() -> None:
    properties = {each.get("name"): each.get("value") for each in parsed([failed()]).iter("property")}
    assert properties == {
        "seed": "5",
        "verdict": "violated",
        "schedules": "1234",
        "coverage": "sampled: 1,234 schedules",
        "schedules_per_second": "493.6",
        "trace": "out/trace 1.json",
    }
