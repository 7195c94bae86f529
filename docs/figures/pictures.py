"""Pictures of pages: the browser that draws them, and PNGs of a few dozen kilobytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
COLOURS = 256


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser that `CHROMIUM` names, by default /usr/bin/chromium."""
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def save(page: Page, name: str) -> None:
    """What is in view, into the folder that `PICTURES` names, by default this one."""
    file = Path(os.environ.get("PICTURES", HERE)) / name
    page.screenshot(path=file)
    with Image.open(file) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(file, optimize=True)
