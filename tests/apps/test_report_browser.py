"""The reports in a real browser: they fit the window, ask for nothing from anywhere, and can be read without eyes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from impactkit.cli import app

pytestmark = pytest.mark.chromium

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"desktop": (1280, 900), "phone": (375, 800), "narrow phone": (320, 640)}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    for words in (["demo", "--out", str(folder / "demo")], ["reproduce", "ffws", "--out", str(folder / "ffws")]):
        result = CliRunner().invoke(app, [*words, "--quiet"])
        assert result.exit_code == 0, result.output
    return {"demo": folder / "demo" / "report.html", "ffws": folder / "ffws" / "report.html"}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=["demo", "ffws"])
def report(request: pytest.FixtureRequest, pages: dict[str, Path]) -> Path:
    return pages[request.param]


def opened(browser: Any, path: Path, size: tuple[int, int]) -> tuple[Any, list[str], list[str]]:
    """Open a page offline; give it with every request it made and every complaint of the console."""
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}, offline=True).new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    return page, requests, complaints


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_of_the_window(browser: Any, report: Path, width: str) -> None:
    page, _, _ = opened(browser, report, WIDTHS[width])
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= seen, f"the page scrolls sideways by {wide - seen} px"
    page.context.close()


def test_a_wide_table_scrolls_inside_its_own_box_on_a_phone(browser: Any, pages: dict[str, Path]) -> None:
    page, _, _ = opened(browser, pages["demo"], WIDTHS["phone"])
    outside = page.evaluate(
        """[...document.querySelectorAll('table')].filter(table => {
            let box = table.parentElement;
            while (box && !['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) box = box.parentElement;
            return table.scrollWidth > innerWidth && (!box || box === document.documentElement);
        }).length"""
    )
    assert outside == 0
    page.context.close()


def test_the_page_asks_for_nothing_and_complains_of_nothing(browser: Any, report: Path) -> None:
    page, requests, complaints = opened(browser, report, WIDTHS["desktop"])
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
    assert page.locator("script").count() == 0
    page.context.close()


def test_structure_for_readers_who_cannot_see_it(browser: Any, report: Path) -> None:
    page, _, _ = opened(browser, report, WIDTHS["desktop"])
    assert page.evaluate("document.documentElement.lang") == "en-GB"
    levels = [
        int(level) for level in page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName[1])")
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    without_alt = page.evaluate("[...document.images].filter(image => !image.alt.trim()).length")
    assert without_alt == 0
    unheaded = page.evaluate(
        "[...document.querySelectorAll('table')].filter(t => !t.caption || !t.querySelector('th[scope]')).length"
    )
    assert unheaded == 0
    broken = page.evaluate(
        """[...document.querySelectorAll('a[href^="#"]')]
            .filter(link => !document.getElementById(link.getAttribute('href').slice(1))).length"""
    )
    assert broken == 0
    page.context.close()


def test_the_forest_plot_is_drawn(browser: Any, pages: dict[str, Path]) -> None:
    page, _, _ = opened(browser, pages["demo"], WIDTHS["desktop"])
    sizes = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth, image.clientWidth])")
    assert sizes
    assert all(complete and natural > 100 and shown > 100 for complete, natural, shown in sizes)
    page.context.close()


def test_text_has_enough_contrast(browser: Any, report: Path) -> None:
    page, _, _ = opened(browser, report, WIDTHS["desktop"])
    poorest = page.evaluate(
        """(() => {
            const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => {
                v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
            let worst = 21;
            for (const element of document.querySelectorAll('p, td, th, li, a, figcaption, caption, h1, h2, h3, h4')) {
                if (!element.textContent.trim()) continue;
                let behind = element;
                let back = getComputedStyle(behind).backgroundColor;
                while (behind.parentElement && (back === 'rgba(0, 0, 0, 0)' || back === 'transparent')) {
                    behind = behind.parentElement; back = getComputedStyle(behind).backgroundColor; }
                if (back === 'rgba(0, 0, 0, 0)') back = 'rgb(255, 255, 255)';
                const pair = [light(getComputedStyle(element).color), light(back)].sort((a, b) => b - a);
                worst = Math.min(worst, (pair[0] + 0.05) / (pair[1] + 0.05));
            }
            return worst;
        })()"""
    )
    assert poorest >= 4.5
    page.context.close()
