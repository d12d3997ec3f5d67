"""Headless browser for tests of pages from files: the content, the log and the network requests of a page."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.helpers.files import NO_BROWSER

# Default programs; OODBENCH_CHROMIUM and OODBENCH_CHROMEDRIVER name others.
CHROMIUM = os.environ.get("OODBENCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = os.environ.get("OODBENCH_CHROMEDRIVER") or shutil.which("chromedriver")

_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


class Page:
    """An open page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, path: Path) -> None:
        """Open a file and wait until the page is rendered completely."""
        self.driver.get(path.absolute().as_uri())
        self.until("document.readyState === 'complete' && typeof shown === 'object' && shown.frame !== null")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script and return its value."""
        return self.driver.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def until(self, condition: str) -> None:
        """Wait until a JavaScript condition is true."""
        WebDriverWait(self.driver, 60, 0.02).until(lambda _: self.run(f"return Boolean({condition})"), condition)

    def texts(self, selector: str) -> list[str]:
        """Return the text of each visible element."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((one) => one.checkVisibility()).map((one) => one.innerText)",
            selector,
        )
        return found

    def press(self, selector: str, *keys: str) -> None:
        """Focus an element and press keys."""
        self.run("document.querySelector(arguments[0]).focus()", selector)
        self.press_on(*keys)

    def press_on(self, *keys: str) -> None:
        """Press keys on the focused element."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def click(self, selector: str) -> None:
        """Scroll an element to the middle, where the page's bar does not cover it, and click it."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", selector)
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def set(self, selector: str, value: Any, event: str = "input") -> None:
        """Set the value of a slider or a field and fire its event."""
        self.run(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event(arguments[2], { bubbles: true }))",
            selector, value, event,
        )  # fmt: skip

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Set the window's size and the preferred colours; prefer reduced motion, so that clicks don't wait."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self) -> list[str]:
        """Return the console's errors, warnings and refused requests since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """Return the addresses requested since the last call, without the pages themselves and data URLs."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
        return [
            one["request"]["url"]
            for one in sent
            if one["documentURL"].startswith("file:")
            and one["request"]["url"] != one["documentURL"]
            and not one["request"]["url"].startswith("data:")
        ]


@contextmanager
def browser(profile: Path, arguments: Sequence[str] = ()) -> Iterator[Page]:
    """Open a browser with an empty profile; skip the test if none is installed."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(f"{NO_BROWSER}: install chromium and chromium-driver")
    options = Options()
    options.binary_location = CHROMIUM
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}", *arguments):
        options.add_argument(argument)  # type: ignore[no-untyped-call]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    try:
        yield Page(driver)
    finally:
        driver.quit()
