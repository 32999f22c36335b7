"""The monitor as a process, and its page in a real browser."""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from local.ports import free_port
from runtime.settings import KafkaSettings
from tests.integration.streams.lag.groups import commit, member, new_topic, produce
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka

WAIT_MS = 60_000
BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome")


@pytest.fixture(scope="module")
def settings(kafka_topics: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=kafka_topics)


@pytest.fixture(scope="module")
def address(settings: KafkaSettings) -> Iterator[str]:
    """A monitor that reads and judges ten times as fast as by default."""
    port = free_port()
    environ = os.environ | {
        "SOLARIS_KAFKA_BOOTSTRAP": settings.bootstrap,
        "SOLARIS_LAG_PORT": str(port),
        "SOLARIS_LAG_INTERVAL_S": "0.2",
        "SOLARIS_LAG_WINDOW_S": "2",
    }
    process = subprocess.Popen([sys.executable, "-m", "streams", "lag", "--serve"], env=environ)
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert process.poll() is None, "the monitor has ended"
        try:
            return httpx.get(f"{url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(ready, timeout_s=90)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Page]:
    """The page, open; anything the browser complains of fails the test that uses it last."""
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        yield page
        browser.close()
    assert complaints == []


def test_the_page_shows_our_agents_and_a_sparkline_for_each(page: Page) -> None:
    page.wait_for_selector("tr[data-group='solaris.user-refresh']")
    rows = page.locator("tr[data-group^='solaris.']")
    names = rows.evaluate_all("rows => rows.map(row => row.dataset.group)")  # at once: the next draw may sort them anew
    assert set(names) == {
        "solaris.user-refresh",
        "solaris.item-inference",
        "solaris.speculation",
        "solaris.pair-inference",
    }
    assert page.locator("tr[data-group^='solaris.'] svg polyline").count() == 4
    assert not page.locator("#trouble").is_visible()


def style_of(page: Page, selector: str, name: str, pseudo: str | None = None) -> str:
    """In one step: between finding a node and asking for its style a refresh may replace it, and then it has none."""
    style: str = page.evaluate(
        "([selector, name, pseudo]) => getComputedStyle(document.querySelector(selector), pseudo)[name]",
        [selector, name, pseudo],
    )
    return style


def test_a_group_turns_red_when_its_consumer_stops_and_green_when_it_has_caught_up(
    page: Page, settings: KafkaSettings
) -> None:
    topic, group = new_topic(settings, num_partitions=1), f"test.{uuid.uuid4().hex[:8]}"
    row = f"tr[data-group='{group}']"
    produce(settings, topic, 100)
    with member(settings, group, topic) as consumer:
        commit(consumer, topic, {0: 100})
        page.wait_for_selector(f"{row}[data-verdict='ok']", timeout=WAIT_MS)
        green = style_of(page, f"{row} .verdict", "color")
        produce(settings, topic, 60)
    page.wait_for_selector(f"{row}[data-verdict='stopped']", timeout=WAIT_MS)
    red = style_of(page, f"{row} .verdict", "color")
    assert red != green
    assert page.locator(f"{row} td.number").first.inner_text() == "60"
    with member(settings, group, topic) as consumer:
        commit(consumer, topic, {0: 160})
        page.wait_for_selector(f"{row}[data-verdict='ok']", timeout=WAIT_MS)


def test_a_group_opens_to_its_partitions_and_stays_open_while_the_page_refreshes(page: Page) -> None:
    button = page.locator("tr[data-group='solaris.pair-inference'] button")
    button.click()
    page.wait_for_selector("text=reco.pair.requests.v1 / 7")
    before = page.locator("#when").inner_text()
    page.wait_for_function("before => document.getElementById('when').innerText !== before", arg=before)
    assert page.locator("tr.partition").count() == 8
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    page.wait_for_selector("tr.partition", state="detached")


def test_a_button_that_is_held_down_while_the_page_refreshes_is_clicked(page: Page) -> None:
    button = page.locator("tr[data-group='solaris.item-inference'] button")
    for expanded in ("true", "false"):
        button.click(delay=600)  # of the mouse, in ms: three refreshes
        assert button.get_attribute("aria-expanded") == expanded
    before = page.locator("#when").inner_text()
    page.wait_for_function("before => document.getElementById('when').innerText !== before", arg=before)


def test_the_page_puts_the_worst_first_and_gives_each_sparkline_its_scale(page: Page) -> None:
    page.wait_for_selector("tr[data-group='solaris.user-refresh']")
    order = ["stopped", "stalled", "slow", "absent", "ok"]
    shown = page.locator("tr[data-group]").evaluate_all("rows => rows.map(row => row.dataset.verdict)")
    assert shown == sorted(shown, key=order.index)
    assert page.locator("tr[data-group] .trend div").first.inner_text().startswith("0 to ")


def test_the_page_fits_a_phone(page: Page) -> None:
    before = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    button = page.locator("tr[data-group='solaris.pair-inference'] button")
    button.click()
    page.wait_for_selector("tr.partition")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert style_of(page, "tr[data-group] td.number", "content", "::before") == '"Lag (records)"'
    button.click()
    page.set_viewport_size(before or {"width": 1280, "height": 720})


def test_the_monitor_answers_its_endpoints(address: str) -> None:
    assert httpx.get(f"{address}/livez").status_code == 200
    assert {group["group"] for group in httpx.get(f"{address}/lag").json()["groups"]} >= {"solaris.speculation"}
    assert "kafka_consumergroup_members" in httpx.get(f"{address}/metrics").text
    assert httpx.get(f"{address}/nothing").status_code == 404


def test_a_taken_port_ends_the_process_with_an_error(address: str, settings: KafkaSettings) -> None:
    command = [sys.executable, "-m", "streams", "lag", "--serve", "--port", address.rsplit(":", 1)[1]]
    environ = os.environ | {"SOLARIS_KAFKA_BOOTSTRAP": settings.bootstrap}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "address already in use" in ended.stderr
