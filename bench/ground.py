"""What every bench stands on: servers of its own in a home that is gone in the end, and a run to fill."""

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cli.servers import embedded
from models import migrations
from models.settings import settings
from tasks import runs

CREDENTIAL = "env:BENCH_TOKEN"
_SPEC = runs.Spec(
    name="bench", project="bench", task="bench", task_url="https://example.org/", pay_minor=10,
    currency="GBP", budget_minor=10**9, units_per_assignment=1, content_hash="", sandbox=True,
    args={
        "title": "b", "description": "b", "estimated_minutes": 1, "maximum_minutes": None,
        "completion_codes": ["C"], "provider": {},
    },
)  # fmt: skip


def spec(name: str, **changes: int) -> runs.Spec:
    """A run that is wanted."""
    return replace(_SPEC, name=name, **changes)


@contextmanager
def servers() -> Iterator[None]:
    """A migrated database and a broker, empty; the first line of a table tells of the machine."""
    with tempfile.TemporaryDirectory(prefix="crowdops-bench-") as home:
        Path(home).chmod(0o711)
        os.environ |= {"CROWDOPS_HOME": home, "BENCH_TOKEN": "bench"}
        settings.cache_clear()
        with embedded():
            migrations.upgrade()
            load = " ".join(f"{minutes:.1f}" for minutes in os.getloadavg())
            say(f"{platform.machine()}, {os.cpu_count()} cores, load {load}, Python {platform.python_version()}")
            yield


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
