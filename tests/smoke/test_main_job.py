"""The main job, done by the project's own worker and beat."""

import pytest

from models.status import UnitStatus
from models.unit import Unit

pytestmark = pytest.mark.smoke


def test_twenty_units_go_from_plan_to_pay_with_each_effect_once(job):
    run = job.handed_in(20)
    job.approved(run)
    job.finished()
    assert job.statuses(Unit, run) == {UnitStatus.ACCEPTED}
