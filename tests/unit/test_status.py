"""Statuses of units, assignments and agents: the sets, and every pair of the tables of legal moves."""

from itertools import product
from uuid import uuid4

import pytest

from models.agent import Agent
from models.status import (
    AGENT_COMPLETE,
    AGENT_IMMUTABLE,
    AGENT_LIVE,
    AGENT_MOVES,
    ASSIGNMENT_MOVES,
    COMPLETED,
    FINAL_AGENT,
    FINAL_UNIT,
    INCOMPLETE,
    PAYABLE,
    REVIEWED,
    UNIT_MOVES,
    UNIT_OF_AGENT,
    AgentStatus,
    AssignmentStatus,
    IllegalMoveError,
    UnitStatus,
    assignment_status,
    check_move,
)
from models.task_run import TaskRun
from models.unit import Unit


def test_the_words_are_those_of_the_abstraction():
    unit = {"created", "launched", "assigned", "completed", "accepted", "rejected", "soft_rejected", "expired"}

    assert set(UnitStatus) == unit
    assert set(AssignmentStatus) == unit | {"mixed"}
    assert set(AgentStatus) == {
        "none", "accepted", "onboarding", "waiting", "in task", "completed", "disconnect", "timeout",
        "partner disconnect", "expired", "returned", "approved", "soft_rejected", "rejected",
    }  # fmt: skip


def test_the_sets_are_those_of_the_abstraction():
    assert {"created", "launched", "assigned"} == INCOMPLETE
    assert {"launched", "assigned", "completed", "accepted", "soft_rejected"} == PAYABLE
    assert {"accepted", "expired", "soft_rejected"} == FINAL_UNIT
    assert {"completed", "accepted", "rejected", "soft_rejected"} == COMPLETED
    assert {"completed", "accepted", "rejected", "soft_rejected", "expired"} == FINAL_AGENT
    assert {"accepted", "rejected", "soft_rejected"} == REVIEWED
    complete = {
        "completed", "disconnect", "timeout", "expired", "returned", "soft_rejected", "approved", "rejected"
    }  # fmt: skip
    assert complete == AGENT_COMPLETE
    assert complete - {"completed", "rejected"} == AGENT_IMMUTABLE


@pytest.mark.parametrize("moves", [UNIT_MOVES, AGENT_MOVES, ASSIGNMENT_MOVES])
def test_every_status_has_a_row_and_no_row_names_itself(moves):
    statuses = type(next(iter(moves)))

    assert set(moves) == set(statuses)
    assert all(status not in targets for status, targets in moves.items())


@pytest.mark.parametrize(("old", "new"), list(product(UnitStatus, UnitStatus)))
def test_a_unit_makes_legal_moves_only_and_is_unchanged_by_others(old, new):
    unit = Unit(status=old)

    if new == old or new in UNIT_MOVES[old]:
        unit.status = new
        assert unit.status is new
    else:
        with pytest.raises(IllegalMoveError, match=old):
            unit.status = new
        assert unit.status is old


@pytest.mark.parametrize(("old", "new"), list(product(AgentStatus, AgentStatus)))
def test_an_agent_makes_legal_moves_only_and_is_unchanged_by_others(old, new):
    agent = Agent(status=old)

    if new == old or new in AGENT_MOVES[old]:
        agent.move(new)
        assert agent.status is new
    else:
        with pytest.raises(IllegalMoveError, match=new):
            agent.move(new)
        assert agent.status is old


@pytest.mark.parametrize("new", AgentStatus)
def test_a_unit_follows_the_agent_that_holds_it(new):
    agent, unit = _at_work()

    agent.move(new)

    if UNIT_OF_AGENT[new] is None:
        assert (unit.status, unit.agent_id) == (UnitStatus.LAUNCHED, None)
    else:
        assert (unit.status, unit.agent_id) == (UNIT_OF_AGENT[new], agent.id)


@pytest.mark.parametrize("new", [status for status, unit in UNIT_OF_AGENT.items() if unit is None])
def test_a_unit_that_comes_back_when_nobody_is_recruited_any_more_is_expired(new):
    agent, unit = _at_work(stopped=True)

    agent.move(new)

    assert (unit.status, unit.agent_id) == (UnitStatus.EXPIRED, None)


def test_a_refused_move_of_the_unit_leaves_the_agent_as_it_was():
    agent, unit = _at_work()
    unit.status = UnitStatus.EXPIRED

    with pytest.raises(IllegalMoveError):
        agent.move(AgentStatus.COMPLETED)

    assert (agent.status, unit.status) == (AgentStatus.NONE, UnitStatus.EXPIRED)


def _at_work(*, stopped: bool = False) -> tuple[Agent, Unit]:
    unit = Unit(id=uuid4(), status=UnitStatus.ASSIGNED)
    run = TaskRun(facts={"stopped": True} if stopped else {})
    agent = Agent(id=uuid4(), status=AgentStatus.NONE, unit=unit, task_run=run)
    unit.agent_id = agent.id
    return agent, unit


def test_somebody_may_be_seen_anywhere_first_and_their_unit_gets_there_in_legal_steps():
    for status, unit in UNIT_OF_AGENT.items():
        assert status in AGENT_MOVES[AgentStatus.NONE] | {AgentStatus.NONE}
        assert unit in UNIT_MOVES[UnitStatus.ASSIGNED] | {UnitStatus.ASSIGNED, None}
    assert UnitStatus.ASSIGNED in UNIT_MOVES[UnitStatus.LAUNCHED]


def test_every_live_agent_can_still_be_decided_and_nothing_returns_to_work():
    for status in AGENT_LIVE:
        assert {AgentStatus.COMPLETED, AgentStatus.APPROVED, AgentStatus.REJECTED} <= AGENT_MOVES[status]
    for status in set(AgentStatus) - AGENT_LIVE:
        assert not AGENT_MOVES[status] & AGENT_LIVE


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([], "created"),
        (["accepted", "accepted"], "accepted"),
        (["created", "accepted"], "created"),
        (["launched", "completed"], "launched"),
        (["assigned", "completed"], "assigned"),
        (["accepted", "rejected"], "mixed"),
        (["completed", "rejected"], "completed"),
        (["expired", "accepted"], "completed"),
        (["expired", "expired"], "expired"),
    ],
)
def test_an_assignment_is_what_its_units_amount_to(units, expected):
    assert assignment_status(UnitStatus(unit) for unit in units) == expected


@pytest.mark.parametrize("units", list(product(UnitStatus, repeat=3)))
def test_no_legal_move_of_a_unit_takes_its_assignment_where_the_table_does_not(units):
    before = assignment_status(units)
    for new in UNIT_MOVES[units[0]]:
        check_move(ASSIGNMENT_MOVES, before, assignment_status([new, *units[1:]]))
