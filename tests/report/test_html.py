"""The report page: self-contained, escaped, in order, the same bytes."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from report_made_up import control, effect, glance, look, tidy

from impactkit.errors import SpecError
from impactkit.report import (
    Bullets,
    Callout,
    Document,
    Headline,
    Headlines,
    Paragraph,
    Picture,
    Section,
    counts_table,
    figure_bytes,
    forest,
    forest_alt_text,
    impacts_table,
    report_html,
)

EVIL = '<script>alert("x")</script>'


def document(name: str = "work") -> Document:
    frame, looks = tidy(effect(outcome=name), control(outcome=name)), glance(look(outcome=name))
    table = impacts_table(frame, looks)
    picture = Picture(figure_bytes(forest(frame, looks)), forest_alt_text(frame, looks), name, evidence="randomised")
    assumed = counts_table([{"parameter": name, "value": "£90"}], key="assumed", title=name)
    return Document(
        title=f"Report {name}",
        subtitle=name,
        summary=(Headlines((Headline(name, "6.3 ppt", name),)), Paragraph(f"{name}\n\n{name}")),
        sections=(
            Section(
                f"First {name}", (table, picture, Bullets((name,)), Callout(name, name)), (Section(name, (table,)),)
            ),
            Section(f"First {name}", (Paragraph(name),)),
        ),
        assumptions=assumed,
        method_notes=(Paragraph(name),),
        manifest=(("seed", "1"), (name, f"{name}\n{name}")),
    )


def test_the_page_is_the_same_each_time() -> None:
    assert report_html(document()) == report_html(document())


def test_everything_is_escaped() -> None:
    page = report_html(document(EVIL))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_nothing_is_fetched_and_nothing_can_run() -> None:
    page = report_html(document())
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"\son\w+=|<script|@import|url\(", page)


def test_headings_anchors_and_landmarks_are_in_order() -> None:
    page = report_html(document())
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for link in re.findall(r'href="#([^"]+)"', page):
        assert link in ids
    for named in re.findall(r'aria-labelledby="([^"]+)"', page):
        assert named in ids
    assert '<html lang="en-GB">' in page
    assert '<a class="skip" href="#content">' in page
    assert page.index("How sure are we") < page.index("Assumptions used") < page.index("How this report was made")


def test_a_heading_may_not_claim_an_impact_over_weaker_evidence() -> None:
    weak = impacts_table(tidy(effect()), glance(look(evidence="before-after only")))
    with pytest.raises(SpecError, match="says impact"):
        Section("Impact on health", (weak,))
    with pytest.raises(SpecError, match="says impact"):
        Document("The impact of the service", (Section("Health", (weak,)),))
    strong = impacts_table(tidy(effect()), glance(look()))
    Document("The impact of the service", (Section("Impact", (strong,)), Section("Health", (weak,))))


def test_a_picture_needs_words_and_sections_go_two_deep() -> None:
    with pytest.raises(SpecError, match="needs `alt`"):
        Picture(b"", "  ")
    with pytest.raises(SpecError, match="three levels"):
        Section("a", (), (Section("b", (), (Section("c"),)),))


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = (
        "import sys, impactkit.report as r; "
        "heavy = {'pandas', 'numpy', 'matplotlib', 'jinja2', 'scipy', 'markupsafe'} & set(sys.modules); "
        "print(sorted(heavy)); print(all(hasattr(r, name) for name in r.__all__)); "
        "print(sorted({'pandas', 'matplotlib', 'jinja2', 'scipy'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == ["[]", "True", "[]"]


@pytest.mark.chromium
@pytest.mark.parametrize("width", [360, 375, 1280])
def test_the_body_never_scrolls_sideways(width: int, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is in the dev group only")
    path = tmp_path / "report.html"
    path.write_text(report_html(document()), encoding="utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        browser.close()
