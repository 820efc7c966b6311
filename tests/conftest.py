"""What the tests share: the real logs, the scanner's interpreted twin, Java, a browser, and how many examples."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import warnings
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import twins
from hypothesis import settings

import sigtrace.causes.endings
import sigtrace.trace.parser
from sigtrace import Accounting, Parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from pyspark.sql import SparkSession
    from selenium.webdriver import Chrome
    from xdist.scheduler import LoadScopeScheduling

settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("hunt", deadline=None, max_examples=2000)
settings.load_profile("default")

FIXTURES = Path(__file__).with_name("fixtures")
SCAN = Path(sigtrace.__file__).parent / "trace" / "scan.py"
HERE = Path(__file__).parent
ALONE = {
    "the kernel's trace": (HERE / "live", HERE / "test_readme.py"),
    "the checkout's build folder": (HERE / "test_install.py", HERE / "test_packaging.py", HERE / "test_site.py"),
}
"""Files of which one test runs at a time, by what they share."""

BROWSER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--window-size=1200,900"),
)


def _interpreted_scan() -> ModuleType:
    loader = SourceFileLoader("interpreted_scan", str(SCAN))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Have `make test` run files side by side, but for those that share the kernel's trace, or a build folder."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            path = config.rootpath / file
            return next((name for name, shared in ALONE.items() if any(map(path.is_relative_to, shared))), file)

    return Files(config, log)


@pytest.fixture(scope="session", autouse=True)
def _signals() -> None:
    # What the tests start inherits what nohup, or the background of a script, ignores; and some are sent these.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Return the folder of real logs."""
    return FIXTURES


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Return what has logs be read in blocks of so many bytes, after a sample of so many."""

    def cut(size: int, sample: int) -> None:
        monkeypatch.setattr("sigtrace.trace.log._BLOCK", size)
        monkeypatch.setattr("sigtrace.trace.prefix.stripper._SAMPLE", sample)

    return cut


@pytest.fixture(scope="session")
def twin() -> ModuleType:
    """Return scan.py as Python runs it, whether or not it was compiled."""
    return _interpreted_scan()


@pytest.fixture(scope="session")
def interpreted() -> ModuleType:
    """Return sigtrace.causes.endings, with the tracker and all that it uses, as Python runs them."""
    return twins.interpreted("sigtrace.causes.endings")


@pytest.fixture(scope="session")
def parse(twin: ModuleType) -> Callable[..., tuple[list[dict[str, Any]], Accounting]]:
    """Return a function from a log's bytes, cut where told, to its rows and its account."""

    def parse(
        log: bytes, *, cuts: Iterable[int] = (), rows: int = 1 << 10, interpreted: bool = False
    ) -> tuple[list[dict[str, Any]], Accounting]:
        if interpreted:
            with mock.patch.object(sigtrace.trace.parser, "scan", twin):
                parser = Parser(rows=rows)
        else:
            parser = Parser(rows=rows)
        at = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
        batches = [batch for start, stop in pairwise(at) for batch in parser.feed(log[start:stop])]
        batches += parser.finish()
        return [row for batch in batches for row in batch.to_pylist()], parser.accounting

    return parse


@pytest.fixture(scope="session")
def java() -> None:
    """Skip where no Java is that Spark could run in; fail where CI must have one."""
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=None if home is None else f"{home}/bin") is None:
        missing = "no Java to run Spark in: apt-get install default-jre-headless"
        (pytest.fail if os.environ.get("SIGTRACE_LIVE") == "required" else pytest.skip)(missing)


@pytest.fixture(scope="session")
def spark(
    java: None,  # noqa: ARG001 -- asked first
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SparkSession]:
    """Return Spark's real engine, in this machine and this process's Python. It takes seconds to start."""
    # As of 4.3 it says so at each use of pandas 3, which our frames are of; what is used here is tested here.
    told = "PySpark does not yet fully support pandas"
    pytestconfig.addinivalue_line("filterwarnings", f"ignore:{told}:FutureWarning")  # for the tests after this one
    warnings.filterwarnings("ignore", told, FutureWarning)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[1]").appName("sigtrace")
        for key, value in {
            "spark.driver.memory": "512m",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",  # for a run so short, half of Java's time
            "spark.ui.enabled": False,
            "spark.ui.showConsoleProgress": False,
            "spark.log.level": "ERROR",
            "spark.sql.shuffle.partitions": 2,
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        }.items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
        yield session
        session.stop()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Return a browser without a window."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing = "no browser to read a page in: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get("SIGTRACE_LIVE") == "required" else pytest.skip)(missing)
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*BROWSER, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With its driver named, Selenium looks for none on the network.
    with Chrome(options=options, service=Service(driver)) as opened:
        yield opened


@pytest.fixture
def visit(browser: Chrome, tmp_path: Path) -> Iterator[Callable[[str], Chrome]]:
    """Open a page; after the test, ask that the browser had nothing to say and fetched nothing."""
    file = tmp_path / "page.html"
    logs = ("browser", "performance")

    def opened(html: str) -> Chrome:
        file.write_text(html, encoding="utf-8")
        for log in logs:
            browser.get_log(log)  # type: ignore[no-untyped-call]
        browser.get(file.as_uri())
        return browser

    yield opened
    said, told = (browser.get_log(log) for log in logs)  # type: ignore[no-untyped-call]
    assert said == []
    messages = [json.loads(entry["message"])["message"] for entry in told]
    asked = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    # A browser that starts asks for pages of its own.
    assert {one["request"]["url"] for one in asked if one["documentURL"] == file.as_uri()} == {file.as_uri()}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
