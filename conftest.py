"""The `--slow` flag: tests marked `slow` are skipped without it."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--slow`."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips the slow tests unless asked for."""
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
