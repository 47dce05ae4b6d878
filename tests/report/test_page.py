"""The HTML report in a real browser: found, opened, read, and nothing believed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from harness.cli import main
from harness.report.run import read_run
from tests.report.test_reading import edit

PHONE = (390, 844)
DESKTOP = (1440, 1000)

CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")

READY = "return performance.getEntriesByName('ready').length"
Open = Callable[..., Chrome]


@pytest.fixture(scope="session")
def page(series_run: Path) -> str:
    assert main(["report", str(series_run)]) == 0
    return (series_run / "report.html").as_uri()


@pytest.fixture
def open_page(browser: Chrome) -> Iterator[Open]:
    """Opens an address in a size and a colour scheme, and fails where the page complained."""

    def visit(address: str, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Chrome:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {**metrics, "mobile": width < 600}
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get("about:blank")
        browser.get(address)
        settle(browser, lambda: browser.execute_script(READY))
        return browser

    browser.get_log("browser")
    yield visit
    assert browser.get_log("browser") == []


def settle(browser: Chrome, done: Callable[[], Any]) -> Any:
    """What ``done`` gives once it is true."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = done()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(browser.execute_script("return document.body.innerText")[:2000])


def find(browser: Chrome, selector: str) -> WebElement:
    found: list[WebElement] = settle(
        browser, lambda: browser.find_elements(By.CSS_SELECTOR, selector)
    )
    return found[0]


def texts(browser: Chrome, selector: str) -> list[str]:
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, selector)]


def shown_marks(browser: Chrome) -> list[str]:
    return list(
        browser.execute_script(
            "return [...document.querySelectorAll('.matrix .mark')]"
            ".filter((mark) => mark.checkVisibility()).map((mark) => mark.title)"
        )
    )


def open_cell(browser: Chrome, cell_id: str) -> None:
    browser.execute_script(
        "[...document.querySelectorAll('.matrix .mark')]"
        ".find((mark) => mark.title === arguments[0]).click()",
        cell_id,
    )
    settle(browser, lambda: texts(browser, "#detail-title"))


def test_what_regressed_where_and_why_stands_on_top(page: str, open_page: Open) -> None:
    browser = open_page(page)
    assert find(browser, "h1").text.startswith("Patches 2 and 3 of 4 regress 9 cells on ")
    crash = find(browser, ".finding")
    words = ["regressed", "patch 2/4", "share struct pages", "__init_single_page", "ppc64-hash"]
    assert all(word in crash.text for word in words)
    assert crash.location["y"] + crash.size["height"] < DESKTOP[1] / 2


def test_search_and_toggles_narrow_the_matrix(page: str, open_page: Open, series_run: Path) -> None:
    browser = open_page(page)
    cells = json.loads((series_run / "run.json").read_text())["cells"]
    assert sorted(shown_marks(browser)) == sorted(cell["id"] for cell in cells)
    find(browser, "#query").send_keys("__init_single_page")
    marks = shown_marks(browser)
    assert marks == [f"devdax.yaml::devdax-above-16g[ppc64-hash-mem]@{n:02}" for n in (2, 3, 4)]
    assert find(browser, "#shown").text == f"3 of {len(cells)} cells"
    find(browser, "#query").clear()
    find(browser, "#query").send_keys("radix")
    find(browser, "[data-name=mismatch]").click()
    marks = shown_marks(browser)
    assert {mark.rpartition("@")[2] for mark in marks} == {"03", "04"}
    assert all("devdax-map-dev[ppc64-radix" in mark for mark in marks)
    find(browser, "[data-patch='4']").click()
    assert {mark.rpartition("@")[2] for mark in shown_marks(browser)} == {"04"}
    find(browser, "#query").send_keys("nonsense")
    find(browser, "#clear").click()
    assert len(shown_marks(browser)) == len(cells)


def test_a_mismatch_shows_prediction_beside_observation(page: str, open_page: Open) -> None:
    browser = open_page(page)
    open_cell(browser, "devdax.yaml::devdax-map-dev[ppc64-hash-16M]@03")
    (row,) = browser.find_elements(By.CSS_SELECTOR, ".values .differs")
    cells = [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
    assert cells[0] == "size_bytes"
    assert "0x7f000000" in cells[1]
    assert "0x7f200000" in cells[2]
    assert "differs" in cells[2]
    assert cells[3] == "ns.size"
    rule = find(browser, ".step.wrong > .rule").text
    assert "The device offers what the namespace holds" in rule
    assert "drivers/nvdimm/pfn_devs.c size_show" in rule
    assert "patch 3/4" in find(browser, ".facts").text
    assert (
        "pytest 'scenarios/devdax.yaml::devdax-map-dev[ppc64-hash-16M]'"
        in find(browser, ".facts").text
    )
    assert texts(browser, ".phases li")[1] == "firmware 0.70 s"


def test_the_kernel_report_is_marked_and_in_view(page: str, open_page: Open) -> None:
    browser = open_page(page)
    open_cell(browser, "devdax.yaml::devdax-above-16g[ppc64-hash-mem]@02")
    report = find(browser, ".console .report")
    first = report.find_element(By.CSS_SELECTOR, ".line")
    assert "BUG: Unable to handle kernel data access on write" in first.text
    box = find(browser, ".console").rect
    assert box["y"] <= first.location["y"] < box["y"] + box["height"]
    assert browser.execute_script(
        "return getComputedStyle(arguments[0]).backgroundColor", report
    ) != browser.execute_script(
        "return getComputedStyle(document.querySelector('.console')).backgroundColor"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_text_contrasts_and_fits(
    page: str, open_page: Open, size: tuple[int, int], scheme: str
) -> None:
    browser = open_page(page, size, scheme)
    for cell in (None, "devdax-above-16g[ppc64-hash-mem]@02", "devdax-map-dev[ppc64-hash-16M]@03"):
        if cell is not None:
            open_cell(browser, f"devdax.yaml::{cell}")
            find(browser, ".console")
            browser.execute_script(
                "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
            )
        assert browser.execute_script(CONTRAST) == []
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= size[0]


def test_verdicts_are_told_without_colour(page: str, open_page: Open) -> None:
    browser = open_page(page)
    glyphs = browser.execute_script(
        "return [...document.querySelectorAll('#toggles [class*=\"v-\"] .glyph')]"
        ".map((g) => getComputedStyle(g, '::before').content)"
    )
    assert len(set(glyphs)) == len(glyphs) == 4


def test_the_keyboard_goes_everywhere(page: str, open_page: Open) -> None:
    browser = open_page(page)
    keys = find(browser, "body")
    keys.send_keys("/")
    assert browser.switch_to.active_element.get_attribute("id") == "query"
    browser.switch_to.active_element.send_keys("above-16g", Keys.TAB)
    stops = 0
    while "mark" not in (browser.switch_to.active_element.get_attribute("class") or ""):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        stops += 1
        assert stops < 20, "a mark is one stop away, whatever the number of cells"
    here = browser.switch_to.active_element
    assert here.get_attribute("title") == "devdax.yaml::devdax-above-16g[ppc64-hash-mem]@base"
    here.send_keys(Keys.ARROW_RIGHT)
    here = browser.switch_to.active_element
    assert here.get_attribute("title") == "devdax.yaml::devdax-above-16g[ppc64-hash-mem]@01"
    here.send_keys(Keys.ENTER)
    title = find(browser, "#detail-title")
    settle(browser, lambda: browser.switch_to.active_element == title)
    assert "devdax-above-16g" in title.text
    title.send_keys(Keys.ESCAPE)
    settle(browser, lambda: browser.switch_to.active_element == here)
    here.send_keys("n")
    settle(browser, lambda: "devdax-above-16g" in "".join(texts(browser, "#detail-title")))


def test_everything_has_a_name_and_a_role(page: str, open_page: Open) -> None:
    browser = open_page(page)
    open_cell(browser, "devdax.yaml::devdax-map-dev[ppc64-hash-16M]@03")
    find(browser, ".console")
    selector = "button, input, #detail a, #detail summary, .finding a, [role=region], table"
    for element in browser.find_elements(By.CSS_SELECTOR, selector):
        if element.is_displayed():
            assert element.accessible_name, element.get_attribute("outerHTML")
    mark = browser.find_element(By.CSS_SELECTOR, ".matrix .mark.w-regressed")
    assert (mark.aria_role, mark.accessible_name) == (
        "link",
        "devdax-map-dev 4K, on arm64, patch 3, mismatch (regressed)",
    )
    assert len(browser.find_elements(By.TAG_NAME, "h1")) == 1
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    landmarks = (
        "return [...document.querySelectorAll('header, main, footer, [role=search]')].length"
    )
    assert browser.execute_script(landmarks) >= 4
    unscoped = "return document.querySelectorAll('.matrix th:not([scope])').length"
    assert browser.execute_script(unscoped) == 0


def test_plots_have_intervals_and_figures(page: str, open_page: Open) -> None:
    browser = open_page(page)
    figure = find(browser, "#plots figure")
    assert len(figure.find_elements(By.CSS_SELECTOR, "svg g.get")) == 4
    figure.find_element(By.TAG_NAME, "summary").click()
    first = figure.find_element(By.CSS_SELECTOR, "table tr").text
    assert first == "patch 1 get x 1.02, x 0.91 to x 1.09, 8 pairs: no change to be told from noise"
    assert len(figure.find_elements(By.CSS_SELECTOR, "svg .unsure")) == 6


def test_a_view_can_be_sent_to_somebody(page: str, open_page: Open) -> None:
    browser = open_page(f"{page}#q=above-16g&only=kernel-failure&cell=0")
    assert find(browser, "#query").get_attribute("value") == "above-16g"
    assert len(shown_marks(browser)) == 3
    assert "devdax-map-mem" in find(browser, "#detail-title").text


def test_hostile_text_stays_text(clean_run: Path, tmp_path: Path, open_page: Open) -> None:
    """Whatever a guest, a scenario or a patch is called: it is shown, not run."""
    script = "document.title='owned'"
    bad = f'</script><script>{script}</script><img src=x onerror="{script}">{{{{7*7}}}}\x1b[31m'
    directory = Path(shutil.copytree(clean_run, tmp_path / "run"))
    details = {"first_line": 2, "last_line": 3}

    def change(document: dict[str, Any]) -> None:
        series = {"name": bad, "patches": [{"position": 1, "subject": bad}]}
        document.update(kernel=f"debian:{bad}", series=series)
        fields = dict.fromkeys(("scenario", "reason", "report", "kernel", "target"), bad)
        extra = {"id": f"{bad}::x[{bad}]", "report_details": details, "rules": [bad]}
        document["cells"][0].update(fields, verdict="kernel-failure", **extra)

    edit(directory, change)
    folder = json.loads((directory / "run.json").read_text())["cells"][0]["folder"]
    log = directory / folder / "console.log"
    log.write_bytes(f"first\n{bad}\n\x1b]0;owned\x07\n".encode() + b"\xff\x00x\n" * 100)
    steps = directory / folder / "steps.jsonl"
    steps.write_text(steps.read_text().replace("made up for the example", json.dumps(bad)[1:-1]))
    assert main(["report", str(directory)]) == 0
    browser = open_page((directory / "report.html").as_uri())
    open_cell(browser, f"{bad[:-5]}\\x1b[31m::x[{bad[:-5]}\\x1b[31m]")
    assert "</script><script>document.title=" in find(browser, ".console .report").text
    assert "\\x1b]0;owned\\x07" in find(browser, ".console .report").text
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0
    assert "owned" not in browser.title.replace("='owned'", "")
    assert "{{7*7}}" in browser.title
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= DESKTOP[0]


def test_a_partial_run_says_so_first(clean_run: Path, tmp_path: Path, open_page: Open) -> None:
    directory = Path(shutil.copytree(clean_run, tmp_path / "run"))
    chosen = len(read_run(directory).cells) + 3
    edit(directory, lambda document: document.update(finished=None, chosen=chosen))
    assert main(["report", str(directory), "--against", str(clean_run)]) == 0
    browser = open_page((directory / "report.html").as_uri())
    assert "ended before its time" in find(browser, ".notes").text
    assert "3 cells never begun" in find(browser, ".notes").text
    assert find(browser, ".notes").location["y"] < 300
    assert f"Ended early: {chosen - 3} of {chosen} cells finished" in find(browser, "h1").text


def test_nothing_is_loaded_from_anywhere(page: str, open_page: Open) -> None:
    browser = open_page(page)
    entries = "return performance.getEntriesByType('resource').length"
    assert browser.execute_script(entries) == 0
    policy = find(browser, "meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
