"""A long file of bonuses is planned in one go."""

import csv

from sqlalchemy import text

from models.session import transaction

MANY = 1000
PEOPLE = """
INSERT INTO worker (id, provider_type, name)
SELECT gen_random_uuid(), 'prolific', lpad(to_hex(n), 24, '0') FROM generate_series(1, :many) AS n;
"""
WORK = """
INSERT INTO agent (id, requester_id, task_run_id, worker_id, provider_type, submission, status)
SELECT gen_random_uuid(), :account, :run, id, 'prolific', name, 'approved' FROM worker WHERE length(name) = 24
"""


def test_a_long_file_is_planned_once(data, scene, tmp_path):
    run = scene.live(1, budget_minor=10**9)
    with transaction() as session:
        session.execute(text(PEOPLE), {"many": MANY})
        session.execute(text(WORK), {"account": scene.account, "run": run})
    path = tmp_path / "bonuses.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["submission", "amount", "reason", "key"])
        writer.writerows((f"{n:024x}", "0.50", "good", "may") for n in range(1, MANY + 1))
    for wanted in (MANY, 0):
        planned = data("bonus", "pay", path)
        assert (planned["planned"], planned["amount_minor"]) == (wanted, 50 * wanted)
