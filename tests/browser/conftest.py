"""Debian's Chromium, driven by Playwright. `make browser` installs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.explored import write_explored

READY = "html[data-ready]"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. Where it is not installed, tests fail in CI and are skipped elsewhere.

    It ends with its file: as long as Playwright runs, so does its event loop, and no second one starts in a process.
    """
    found = shutil.which("chromium")
    if found is None:
        reason = "no chromium on PATH: `make browser` installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small run; do not change it."""
    return write_explored(tmp_path_factory.mktemp("explored"))


Opener = Callable[..., Page]


@pytest.fixture
def opener(chromium: Browser) -> Iterator[Opener]:
    """Opens a file at a view. By the end of the test it has said nothing, failed nowhere and asked for nothing."""
    heard: list[str] = []
    contexts = []

    def opened(file: Path, view: str = "", *, width: int = 1280, height: int = 800, scheme: str = "light") -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("request", lambda request: heard.append(f"request: {request.url}") if not _own(request.url) else None)
        page.goto(f"{file.as_uri()}{view}")
        page.wait_for_selector(READY, state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert heard == []


def _own(url: str) -> bool:
    return url.startswith(("file:", "blob:", "data:"))


@pytest.fixture
def opened(opener: Opener, page_file: Path) -> Opener:
    """Opens the page of the small run at a view."""
    return lambda view="", **how: opener(page_file, view, **how)
