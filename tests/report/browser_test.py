"""The page in Chromium: it works, by keyboard too, and no name in it does anything."""

from __future__ import annotations

import numpy as np
import pytest

import tf_ckpt_migrate as tcm
from tests.report.checkpoints import RULES, SOURCE, many, write
from tests.report.page_test import HOSTILE

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a report; what the page complains of, or asks the network for, fails."""
    complaints, contexts = [], []

    def open_page(report, **options):
        path = tmp_path / "report.html"
        path.write_text(report.to_html(), encoding="utf-8")
        options.setdefault("viewport", {"width": 1440, "height": 900})
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def report(tmp_path):
    source = write(tmp_path / "old", SOURCE)
    plan = tcm.plan_migration(source, None, RULES)
    new = tcm.convert(plan, tmp_path / "new", data="copy")
    return tcm.make_report(plan, new.prefix, values="all")


@pytest.fixture
def large(tmp_path):
    source = write(tmp_path / "large", many(5000))
    plan = tcm.plan_migration(source, None, {"bert/": "encoder/"})
    return tcm.make_report(plan)


def rows(page):
    return page.locator(".row:visible")


def focused(page, attribute="textContent"):
    return page.evaluate(f"document.activeElement.{attribute}")


def test_what_needs_attention_leads_into_the_map(opened, report):
    page = opened(report)
    assert page.locator(".finding").count() == 2
    page.get_by_text("2 optimizer slots left behind").click()
    page.get_by_role("button", name="Show in the map").first.click()
    assert page.locator("#told").text_content() == "2 of 5 tensors"
    assert page.locator(".row.leaf:visible").count() == 2
    page.get_by_role("button", name="Show all").click()
    assert page.locator("#told").text_content() == "5 tensors"


def test_search(opened, report):
    page = opened(report)
    page.keyboard.press("/")
    page.keyboard.type("model BFLOAT16")
    leaves = page.locator(".row.leaf:visible")
    assert leaves.count() == 1
    assert page.locator("#told").text_content() == "1 of 5 tensors"
    page.locator("#find").fill("nothing like that")
    assert rows(page).count() == 0
    assert page.locator("#nothing").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#told").text_content() == "5 tensors"


def test_filter(opened, report):
    page = opened(report)
    computed = page.get_by_role("button", name="computed 1")
    computed.click()
    assert computed.get_attribute("aria-pressed") == "true"
    assert page.locator(".row.leaf:visible").count() == 1
    page.get_by_role("button", name="left behind 2").click()
    assert page.locator("#told").text_content() == "3 of 5 tensors"


def test_fold_and_unfold(opened, report):
    page = opened(report)
    whole = rows(page).count()
    page.get_by_role("button", name="Fold all", exact=True).click()
    folded = page.locator('.row.scope[aria-expanded="false"]')
    assert folded.count() > 0
    assert rows(page).count() < whole
    folded.first.click()
    assert rows(page).count() > folded.count()
    page.get_by_role("button", name="Unfold all").click()
    assert rows(page).count() >= whole


def test_a_tensor_opens_to_its_names_and_values(opened, report):
    page = opened(report)
    page.locator(".row.computed").click()
    detail = page.locator(".detail")
    told = detail.text_content()
    assert "net/w" in told
    assert "model/w" in told
    assert "Cast('bfloat16')" in told
    assert "none: every element is equal" in told
    label = detail.get_by_role("img").get_attribute("aria-label")
    assert label.startswith("Histogram of values before from 0.1 to 5.1, mean 2.6")
    assert "after from" in label
    page.locator(".row.computed").click()
    assert page.locator(".detail").count() == 0


def test_by_keyboard_alone(opened, report):
    page = opened(report)
    page.locator("#unfold").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page, "getAttribute('role')") == "row"
    first = focused(page)
    page.keyboard.press("ArrowDown")
    assert focused(page) != first
    page.keyboard.press("ArrowLeft")  # to the scope that it is in
    assert focused(page) == first
    page.keyboard.press("ArrowLeft")
    assert focused(page, "getAttribute('aria-expanded')") == "false"
    page.keyboard.press("ArrowRight")
    assert focused(page, "getAttribute('aria-expanded')") == "true"
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert focused(page, "getAttribute('aria-expanded')") == "true"
    assert page.locator(".detail").is_visible()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    assert page.locator('.row[tabindex="0"]').count() == 2  # one for each tree


def test_dark_and_light(opened, report):
    page = opened(report, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Light").click()
    light = page.evaluate(paper)
    assert (dark, light) == ("rgb(21, 23, 26)", "rgb(251, 251, 250)")
    assert page.get_by_role("button", name="Dark").is_visible()


def test_copying_a_command(opened, report):
    page = opened(report, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == report.commands[0].text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_accessibility_has_nothing_to_complain_of(opened, tmp_path, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    wrong = {"model/w": np.float32(1), "model/b": np.ones(3, np.float32), "x": 1}
    plan = tcm.plan_migration(write(tmp_path / "old", SOURCE), None, RULES)
    report = tcm.make_report(plan, write(tmp_path / "wrong", wrong), values="all")
    viewport = {"width": width, "height": 844}
    page = opened(report, color_scheme=scheme, viewport=viewport)
    page.evaluate(
        "document.querySelectorAll('details').forEach((d) => (d.open = true))"
    )
    page.locator(".grid").first.scroll_into_view_if_needed()
    page.locator(".row.leaf").first.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    overflow = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(overflow) <= 0


def test_a_hostile_name_does_nothing(opened, tmp_path):
    tensors = {f"{name}/w": np.float32(1) for name in HOSTILE}
    page = opened(tcm.make_report(write(tmp_path / "hostile", tensors), values="all"))
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator("img:not([role]), img[src]").count() == 0
    shown = "".join(page.locator(".row .source").all_text_contents())
    assert "<img src=x onerror=alert(1)>" in shown
    assert "\\u{202e}gnp.exe\\u{1b}[2J\\u{2028}" in shown
    for number in range(page.locator(".row.leaf").count()):
        page.locator(".row.leaf").nth(number).click()
    page.locator("#find").fill("<img")
    assert "<img" in page.locator("mark").first.text_content()


def test_what_would_run_anyway_is_stopped_by_the_policy(browser, report, tmp_path):
    text = report.to_html().replace("<main", '<img src="x" onerror="alert(1)"><main')
    path = tmp_path / "attacked.html"
    path.write_text(text, encoding="utf-8")
    page = browser.new_page()
    errors, dialogs = [], []
    page.on("console", lambda message: errors.append(message.text))
    page.on("dialog", lambda dialog: (dialogs.append(dialog), dialog.dismiss()))
    page.goto(path.as_uri())
    page.wait_for_timeout(100)
    page.close()
    assert any("Content Security Policy" in error for error in errors)
    assert not dialogs


def test_5000_tensors(opened, large):
    page = opened(large)
    assert page.locator("#told").text_content() == "5,000 tensors"
    page.get_by_role("button", name="Unfold all").click()
    grid = page.locator(".grid")
    assert int(grid.get_attribute("aria-rowcount")) > 5000
    assert page.locator(".row").count() < 500  # only what is near the window is made
    rows(page).first.focus()
    page.keyboard.press("End")
    assert "bert" not in focused(page)
    assert page.evaluate("document.activeElement.getAttribute('aria-rowindex')") == (
        grid.get_attribute("aria-rowcount")
    )
    page.wait_for_timeout(200)
    assert page.locator(".row").count() < 500
    page.locator("#find").fill("layer_1249/ kernel")
    page.get_by_text("1 of 5,000 tensors").wait_for()
    assert page.locator(".row.leaf").count() == 1


def test_without_scripts_it_can_be_read(opened, report):
    page = opened(report, java_script_enabled=False)
    assert page.get_by_role("cell", name="model/w").is_visible()
    assert page.get_by_text("2 optimizer slots left behind").is_visible()
    assert page.get_by_role("button", name="Copy").count() == 0


def test_on_paper_everything_is_there(opened, large):
    page = opened(large)
    page.get_by_role("button", name="Unfold all").click()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".row.leaf").count() == 5000
