"""Pictures of the page of a run for the docs: at first, on the way, following a word, computing, on a phone.

    python validation/report_screenshots.py runs/demo/report.html [WORD] [--out FOLDER]

writes `report_start.png`, `report_middle.png`, `report_search.png` (dark), `report_try.png` (smaller
weights) and `report_phone.png` into docs/pictures or another folder: 1400 x 900, the last 390 x 844.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from table import PICTURES


def move_to(page: Page, share: float) -> None:
    page.locator("#time").fill(str(round(1000 * share)))
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(500)


def take_pictures(report: Path, word: str | None, folder: Path) -> None:
    """Write the pictures; `word`: the one to follow, by default an end of the first concept."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        move_to(page, 0)
        page.screenshot(path=folder / "report_start.png")
        move_to(page, 0.21)
        page.screenshot(path=folder / "report_middle.png")
        if page.locator("#set-factor").count():
            page.locator("#set-factor").fill("-2")
            move_to(page, 0.4)
            page.screenshot(path=folder / "report_try.png")
            page.locator("#back-to-run").click()
        page.locator("#theme").click()
        page.locator("#word").fill(word or held(page)["concepts"][0]["positive"][0])
        page.keyboard.press("Enter")
        move_to(page, 1)
        page.screenshot(path=folder / "report_search.png")
        phone = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="light")
        phone.goto(report.resolve().as_uri())
        move_to(phone, 0.5)
        phone.screenshot(path=folder / "report_phone.png")
        browser.close()


def held(page: Page) -> dict:
    return page.evaluate("JSON.parse(document.getElementById('data').textContent)")


def main() -> None:
    """Take the pictures of a page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("word", nargs="?")
    parser.add_argument("--out", type=Path, default=PICTURES)
    asked = parser.parse_args()
    take_pictures(asked.report, asked.word, asked.out)


if __name__ == "__main__":
    main()
