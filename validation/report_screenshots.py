"""Pictures of the page of a run for the docs: at the start, on the way, and following a word.

    python validation/report_screenshots.py runs/demo/report.html [WORD] [--out FOLDER]

writes `report_start.png`, `report_middle.png` and `report_search.png` into docs/pictures or another folder.
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
    """Write the three pictures; `word`: the one to follow, by default an end of the first concept."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        move_to(page, 0)
        page.screenshot(path=folder / "report_start.png")
        move_to(page, 0.21)
        page.screenshot(path=folder / "report_middle.png")
        page.locator("#theme").click()
        page.locator("#word").fill(word or held(page)["concepts"][0]["positive"][0])
        page.keyboard.press("Enter")
        move_to(page, 1)
        page.screenshot(path=folder / "report_search.png")
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
