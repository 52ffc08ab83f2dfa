"""Accounts are added once, never silently changed, and say why they are paused."""

from models.requester import Requester


def test_an_account_is_added_once_and_never_silently_changed(crowdops, data, scene):
    add = ("requester", "add", "shop", "--workspace", "w1", "--project", "p1", "--credential", "env:SHOP_TOKEN")
    first = data(*add)
    assert (first["facts"], first["requests_per_second"]) == ({"workspace": "w1", "project": "p1"}, 10)
    assert "nothing was added" in crowdops(*add)
    assert "There is an account 'shop' at prolific already" in crowdops(*add[:4], "w2", *add[5:], code=2)
    assert "There is an account 'shop' at prolific already" in crowdops(*add[:8], "env:OTHER", code=2)
    assert [row.name for row in scene.all(Requester)] == ["lab", "shop"]


def test_an_account_needs_what_its_vendor_needs(crowdops, scene):
    assert "--project (the project's id)" in crowdops("requester", "add", "shop", "--workspace", "w1", code=2)
    both = ("requester", "add", "shop", "--workspace", "w1", "--project", "p1")
    assert "no colour" in crowdops(*both, "--fact", "colour=red", code=2)
    assert "must be NAME=VALUE" in crowdops(*both, "--fact", "colour", code=2)
    assert len(scene.all(Requester)) == 1


def test_a_token_on_the_command_line_is_refused_and_not_repeated(crowdops, scene):
    both = ("requester", "add", "shop", "--workspace", "w1", "--project", "p1")
    told = crowdops(*both, "--credential", "s3cr3t-t0ken", code=2)
    assert "env:NAME" in told
    assert "s3cr3t" not in told
    assert len(scene.all(Requester)) == 1


def test_a_paused_account_says_why_and_how_to_go_on(crowdops, data, scene):
    scene.plan(1)
    crowdops("requester", "pause", "lab", "--reason", "the card expired")
    assert data("requester", "list")[0]["paused"] == "the card expired"
    assert "paused until resumed\tthe card expired" in crowdops("requester", "list")
    assert "the card expired. When that is mended: `crowdops requester resume lab`" in crowdops("run", "show", "run")
    assert "the card expired" in crowdops("ops", "explain", scene.only("draft").id)
    assert scene.turn() == []
    assert "it was paused: the card expired" in crowdops("requester", "resume", "prolific/lab")
    assert data("requester", "list")[0]["paused"] is None
    assert scene.turn()
