"""What the simulator promises about reads that show what is not so."""

import pytest

from providers.prolific.simulator.faults import Faults, Rule
from providers.prolific.simulator.identity import stream
from providers.prolific.simulator.reading import MISREADS

LIST, ONE = "GET submissions/", "GET submissions/{id}/"


@pytest.fixture
def study(api):
    """A study with nine submissions that began one after another."""
    study = api.published(total_available_places=20)
    for _ in range(9):
        api.simulator.state.take_place(study)
        api.simulator.advance(1)
    return study


def page(api, study, number=1, **query):
    """One page of five, by the place of its rows in the true order."""
    true = [row.id for row in api.simulator.state.studies[study].submissions]
    listed = api.ok("GET", "submissions/", study=study, page=number, page_size=5, **query)
    return [true.index(row["id"]) for row in listed["results"]]


def test_a_row_is_missing_from_one_page_once(api, study):
    api.simulator.faults.next(LIST, "list_skips")
    assert page(api, study) == [0, 1, 3, 4]
    assert page(api, study) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("kind", "seen"), [("list_repeats", [4, 5, 6, 7, 8]), ("list_passes", [6, 7, 8])])
def test_between_two_pages_a_row_moves_so_that_it_is_seen_twice_or_not_at_all(api, study, kind, seen):
    api.simulator.faults.next(LIST, kind)
    assert page(api, study) == [0, 1, 2, 3, 4]  # Nothing lies before the first page that could push it on.
    assert page(api, study, 2) == seen
    assert page(api, study, 2) == [5, 6, 7, 8]


def test_a_shift_is_a_repeat_or_a_passing_over(api, study):
    api.simulator.faults.set([Rule(LIST, "list_shifts")])
    seen = [page(api, study, 2) for _ in range(30)]
    assert {rows[0] for rows in seen} == {4, 6}


def test_a_page_may_be_as_it_was_some_virtual_seconds_ago(api, study):
    first = api.simulator.state.studies[study].submissions[0].id
    api.simulator.state.finish(first)
    api.simulator.advance(30)
    api.simulator.state.take_place(study)
    for age, rows, word in ((40.0, 0, None), (35.0, 5, "RESERVED"), (10.0, 9, "AWAITING REVIEW")):
        api.simulator.faults.next(LIST, "list_stale", seconds=age)
        results = api.ok("GET", "submissions/", study=study, page_size=100)["results"]
        assert len(results) == rows
        assert not results or (results[0]["id"], results[0]["status"]) == (first, word)
        assert not results or (results[0]["study_code"] is None) == (word == "RESERVED")
    api.simulator.faults.next(LIST, "list_stale", seconds=35)
    assert page(api, study, status="AWAITING_REVIEW") == []
    assert len(api.ok("GET", "submissions/", study=study)["results"]) == 10


def test_an_approval_is_seen_some_seconds_later_and_has_its_effect_at_once(simulate):
    api = simulate(visible_after=20.0)
    study = api.published()
    (submission,) = api.finished(study)

    def seen():
        (listed,) = api.ok("GET", "submissions/", study=study)["results"]
        counts = api.ok("GET", f"studies/{study}/submissions/counts/")
        return api.ok("GET", f"submissions/{submission}/")["status"], listed["status"], counts["APPROVED"]

    answer = api.ok("POST", f"submissions/{submission}/transition/", {"action": "APPROVE"})
    assert (answer["status"], api.effects()[-1]) == ("APPROVED", "submission_approved")
    assert seen() == ("AWAITING REVIEW", "AWAITING REVIEW", 0)
    api.simulator.advance(21)
    assert seen() == ("APPROVED", "APPROVED", 1)


@pytest.mark.parametrize(
    ("kind", "word"),
    [("status_processing", "PROCESSING"), ("status_unknown", "UNKNOWN"), ("status_strange", "ON HOLD")],
)
def test_a_submission_shows_another_status_word_for_a_moment(api, study, kind, word):
    api.simulator.on_exchange = None  # The document does not know these words, which is the point.
    submission = api.simulator.state.studies[study].submissions[0].id
    api.simulator.faults.next(ONE, kind)
    shown = [api.ok("GET", f"submissions/{submission}/")["status"] for _ in range(2)]
    assert shown == [word, "RESERVED"]
    api.simulator.faults.next(LIST, kind)
    listed = [[row["status"] for row in api.ok("GET", "submissions/", study=study)["results"]] for _ in range(2)]
    assert [words.count(word) for words in listed] == [1, 0]


@pytest.mark.parametrize(("path", "nested"), [("submissions/", False), ("studies/none/", True)])
def test_an_error_may_come_in_the_shape_that_the_document_gives_to_others(api, path, nested):
    api.simulator.on_exchange = None
    api.simulator.faults.next("GET *", "other_shape")
    bodies = [api.call("GET", path, page=9).json() for _ in range(2)]
    assert ["error" in body for body in bodies] == [not nested, nested]
    assert bodies[nested]["error"]["status"] == bodies[not nested]["status"] == 404


def test_misreads_strike_only_where_they_can_and_each_kind_comes():
    faults = Faults(stream(1, "faults"), [LIST, ONE, "POST studies/"])
    faults.set([Rule("*", "misread")])
    drawn = {
        call: {fault.kind if (fault := faults.draw(*call)) else None for _ in range(200)}
        for call in ((LIST, 2), (LIST, 1), (ONE, 1), ("POST studies/", 1))
    }
    words = {"status_processing", "status_unknown", "status_strange"}
    assert drawn[LIST, 2] == set(MISREADS)
    assert drawn[LIST, 1] == words | {"list_skips", "list_stale"}
    assert drawn[ONE, 1] == words
    assert drawn["POST studies/", 1] == {None}
    with pytest.raises(ValueError, match="No endpoint matches"):
        faults.next("POST *", "list_skips")


def test_misreads_can_be_asked_for_on_a_share_of_reads_from_the_start(simulate):
    api = simulate(misreads=1.0)
    api.simulator.on_exchange = None
    study = api.published()
    (submission,) = api.finished(study)
    assert api.ok("GET", f"submissions/{submission}/")["status"] in ("PROCESSING", "UNKNOWN", "ON HOLD")
