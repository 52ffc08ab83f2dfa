"""A long file of bonuses is read a portion at a time, and planned in one go or not at all."""

import tracemalloc

import pytest
from sqlalchemy import func, select, text

from cli import bonuses
from models import budget
from models.operation import Operation
from models.posting import Posting
from models.requester import Requester
from models.session import transaction
from models.spend_limit import Scope

MANY = 2500
PEOPLE = """
INSERT INTO worker (id, provider_type, name)
SELECT gen_random_uuid(), 'prolific', lpad(to_hex(n), 24, '0') FROM generate_series(1, :many) AS n;
"""
WORK = """
INSERT INTO agent (id, requester_id, task_run_id, worker_id, provider_type, submission, status)
SELECT gen_random_uuid(), :account, :run, id, 'prolific', name, 'approved' FROM worker WHERE length(name) = 24
"""


@pytest.fixture
def run(scene):
    """A run in which many worked."""
    made = scene.live(1, budget_minor=10**9, quoted_minor=168, quoted_places=1)
    with transaction() as session:
        session.execute(text(PEOPLE), {"many": MANY})
        session.execute(text(WORK), {"account": scene.account, "run": made})
    scene.simulator.state.deposit += 10**9
    return made


@pytest.fixture
def file(run, tmp_path):
    """A function that writes a file with a row for each of them, and other rows for some."""
    assert run

    def write(**others):
        path = tmp_path / "bonuses.csv"
        rows = (others.get(f"row_{n}", f"{n:024x},0.50,good,may") for n in range(1, MANY + 1))
        path.write_text("\n".join(["submission,amount,reason,key", *rows]))
        return path

    return write


def count(table):
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_long_file_is_planned_once_and_each_bonus_is_reserved_with_its_fee(data, file):
    path = file()
    for wanted in (MANY, 0):
        planned = data("bonus", "pay", path)
        assert (planned["planned"], planned["amount_minor"]) == (wanted, 50 * wanted)
        assert len(set(planned["operations"])) == wanted
    assert planned["existing"] == {"planned": MANY}
    with transaction() as session:
        sums = select(func.count(), func.sum(Posting.amount_minor), func.sum(Posting.fee_minor))
        assert session.execute(sums.where(Posting.purpose == "bonus")).one() == (MANY, 50 * MANY, 20 * MANY)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (f"{MANY:024x},0.505,good,may", "has more decimals"),
        (f"{1:024x},0.60,good,may", "names the same work as line 2"),
        ("f" * 24 + ",0.50,good,may", "there is no submission"),
        (f"{MANY:024x},0.50,good", "has 3 cells, but the header has 4"),
        (f"{MANY:024x},0.50,\udce9,may", "is not UTF-8"),
    ],
)
def test_one_bad_row_at_the_end_refuses_the_whole_file_before_anything_is_planned(crowdops, scene, file, row, told):
    path = file()
    with path.open("a", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(f"\n{row}\n")
    said = crowdops("bonus", "pay", path, code=2)
    assert f"line {MANY + 2}: " in said
    assert told in said
    assert (scene.operations("bonus"), scene.calls("POST study-cost-calculator/")) == ([], 0)


def test_a_limit_counts_the_whole_file(crowdops, scene, file):
    with transaction() as session:
        budget.set_limit(session, session.get_one(Requester, scene.account), Scope.ACCOUNT, 70 * MANY, "GBP")
    assert "and GBP 1,750.00 more is asked for. Nothing was planned" in crowdops("bonus", "pay", file(), code=2)
    assert scene.operations("bonus") == []


def test_what_is_there_is_planned_around(data, file):
    assert data("bonus", "pay", file(**{f"row_{n}": "" for n in range(1, 1000)}))["planned"] == MANY - 999
    planned = data("bonus", "pay", file())
    assert (planned["planned"], planned["existing"]) == (999, {"planned": MANY - 999})


def test_a_rehearsal_writes_no_row(data, file):
    planned = data("bonus", "pay", file(), "--dry-run")
    assert (planned["planned"], count(Operation) > MANY) == (MANY, False)


def test_memory_does_not_grow_with_the_file(scene, run, file, monkeypatch):
    """Two readings of the same rows, in one portion and in many: what is held at once is the portion."""
    assert scene

    def peak(portion):
        monkeypatch.setattr(bonuses, "PORTION", portion)
        asked = bonuses.Asked(str(run), [], file(), {"amount": None, "reason": None, "key": "1"})
        tracemalloc.start()
        try:
            bonuses.pay(asked, dry_run=True)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    whole = peak(MANY)
    assert peak(100) < whole / 2
