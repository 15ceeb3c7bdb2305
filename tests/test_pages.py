"""The snippets on the pages about webhooks, privacy and settings run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ds_actors.detection import Dataspike, Monitor, Privacy, WebhookSink
from ds_actors.detection.settings import SETTINGS, read_settings

DOCS = Path(__file__).parents[1] / "docs"


def run_snippets(page: str, **names: Any) -> dict[str, Any]:
    """Run the Python on a page, but for programs that it shows by name, which tests/test_examples.py runs."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    return names


def test_the_page_about_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sink signs with the secret from the environment."""
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    sink = run_snippets("webhooks.md")["sink"]
    assert isinstance(sink, WebhookSink)
    assert len(sink._signing_secrets) == 1


def test_the_page_about_privacy(capsys: pytest.CaptureFixture[str]) -> None:
    """Pseudonyms and a limit; the ledger of a monitor that sent nothing is empty."""
    monitor = Monitor(service=Dataspike("k"), ledger=True)
    privacy = run_snippets("privacy.md", monitor=monitor)["privacy"]
    assert isinstance(privacy, Privacy)
    assert (privacy.pseudonyms, privacy.max_side) == (True, 640)
    assert capsys.readouterr().out == "\n"


def test_the_page_about_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its file is one that can be read, and its table has every setting with its variable."""
    text = (DOCS / "settings.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "ds.toml"
    file.write_text(block)
    monkeypatch.setenv("DATASPIKE_CONFIG", str(file))
    monkeypatch.setenv("DATASPIKE_API_KEY", "k")
    monitor = run_snippets("settings.md")["monitor"]
    assert list(monitor._hub.sinks) == ["log", "json-lines", "slack", "webhook"]
    given = {setting.spec.key for setting in read_settings().resolved.values() if setting.where}
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| `(\w+)` \|", text, re.MULTILINE))
    assert rows == {spec.key: spec.variable for spec in SETTINGS}
    assert set(rows) - given == {
        "budget.bytes_per_second",
        "budget.burst_seconds",
        "budget.sample_bytes",
        "privacy.key",
        "sinks.webhook.secret",
        "sinks.webhook.signing_secret",
    }
