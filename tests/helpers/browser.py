"""A real browser without a window, on pages from files: what it shows, what it logs, what it asks of the network."""

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

# Of the machine; OODBENCH_CHROMIUM and OODBENCH_CHROMEDRIVER name others.
CHROMIUM = os.environ.get("OODBENCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = os.environ.get("OODBENCH_CHROMEDRIVER") or shutil.which("chromedriver")

_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


class Page:
    """One page that is open."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, path: Path) -> None:
        """From its file, until everything on it is drawn."""
        self.driver.get(path.absolute().as_uri())
        self.until("document.readyState === 'complete' && typeof shown === 'object' && shown.frame !== null")

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script returns."""
        return self.driver.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def until(self, condition: str) -> None:
        """Wait for a condition in the page's own words."""
        WebDriverWait(self.driver, 60, 0.02).until(lambda _: self.run(f"return Boolean({condition})"), condition)

    def texts(self, selector: str) -> list[str]:
        """The text of each element that is shown."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((one) => one.checkVisibility()).map((one) => one.innerText)",
            selector,
        )
        return found

    def press(self, selector: str, *keys: str) -> None:
        """Keys, to an element that then has the focus."""
        self.run("document.querySelector(arguments[0]).focus()", selector)
        self.press_on(*keys)

    def press_on(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def click(self, selector: str) -> None:
        """As its user does, scrolled to the middle: at the top the page's bar would be in the way."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", selector)
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def set(self, selector: str, value: Any, event: str = "input") -> None:
        """Give a slider or a field a value, as its user does."""
        self.run(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event(arguments[2], { bubbles: true }))",
            selector, value, event,
        )  # fmt: skip

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Of the window, and the colours that its system prefers; it wants no motion, which a click would wait for."""
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
        """What the console has had to say since it was last asked: errors, warnings, refused requests."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """The addresses that pages from files have asked for since this was last asked, with what it is in left out."""
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
    """Open one with an empty profile; skips the test where there is none."""
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
