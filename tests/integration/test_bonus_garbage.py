"""Whatever nonsense a vendor answers, before or after the effect: a bonus is paid once, or a person decides."""

import pytest

from models.operation import State
from models.settings import settings
from providers.prolific.simulator.garbage import GARBAGE
from tests.integration.test_bonus import CURRENCY, PAY, READ, SET_UP, paid, pay, planned, rest, run

__all__ = ["pay", "run"]


@pytest.mark.parametrize("fault", GARBAGE)
@pytest.mark.parametrize("endpoint", [CURRENCY, SET_UP, READ])
def test_nonsense_around_the_payment_delays_it(scene, pay, endpoint, fault):
    operations = pay(50, 75)
    scene.fault(endpoint, fault)
    scene.send(*operations)
    assert State.PLANNED in scene.states("bonus")
    rest(scene)
    assert scene.states("bonus") == {State.CONFIRMED}
    assert paid(scene) == planned(scene)
    assert scene.calls(PAY) == 1 + (endpoint == READ)


@pytest.mark.parametrize("fault", GARBAGE)
def test_nonsense_as_the_answer_to_a_payment_is_settled_by_reading_alone(scene, pay, fault):
    operations = pay(50, 75)
    scene.fault(PAY, fault)
    scene.send(*operations)
    assert scene.states("bonus") <= {State.UNKNOWN, State.SUBMITTED}
    rest(scene)
    assert scene.calls(PAY) == 1
    if fault.endswith("_after"):
        assert scene.states("bonus") == {State.CONFIRMED}
        assert paid(scene) == planned(scene)
    else:
        assert scene.states("bonus") == {State.REVIEW}
        assert paid(scene) == []


@pytest.mark.parametrize("fault", GARBAGE)
def test_nonsense_as_what_was_paid_decides_nothing(scene, pay, fault):
    """The read-back is spoilt, again and again: it goes on asking, and takes nothing for an answer."""
    (operation,) = pay(50)
    scene.send(operation)
    scene.fault(READ, fault, times=3)
    for _ in range(3):
        scene.later(settings().timing.back_off_max)
        scene.read(operation)
        assert scene.only("bonus").state is State.SUBMITTED
    rest(scene)
    assert scene.only("bonus").state is State.CONFIRMED
    assert paid(scene) == planned(scene)
