"""The endpoints about the account: who the token belongs to, what the wallet holds, what a study would cost."""

from http import HTTPStatus

from providers.prolific.simulator.answer import Answer, ApiError, success
from providers.prolific.simulator.draft import CHECKS
from providers.prolific.simulator.endpoint import Request
from providers.prolific.simulator.money import breakdown, cost, minor
from providers.prolific.simulator.state import State


def me(state: State, _request: Request) -> Answer:
    """GET users/me/."""
    return success(
        {
            "id": state.user,
            "email": "researcher@example.com",
            "currency_code": state.currency,
            "current_project_id": state.project,
        }
    )


def workspaces(state: State, _request: Request) -> Answer:
    """GET workspaces/."""
    return success({"results": [{"id": state.workspace, "title": "Research", "owner": state.user}]})


def projects(state: State, request: Request) -> Answer:
    """GET workspaces/{workspace_id}/projects/."""
    _own_workspace(state, request)
    return success({"results": [{"id": state.project, "title": "Project", "owner": state.user}]})


def _own_workspace(state: State, request: Request) -> None:
    if request.ids["workspace_id"] != state.workspace:
        raise ApiError(HTTPStatus.NOT_FOUND, "No workspace matches the given id.")


def balance(state: State, request: Request) -> Answer:
    """GET workspaces/{workspace_id}/balance/."""
    _own_workspace(state, request)
    total, available = state.total(), state.available()
    return success(
        {
            "currency_code": state.currency,
            "total_balance": minor(total),
            "balance_breakdown": breakdown(total),
            "available_balance": minor(available),
            "available_balance_breakdown": breakdown(available),
        }
    )


def calculate(_state: State, request: Request) -> Answer:
    """POST study-cost-calculator/."""
    wish = request.json()
    names = ("reward", "total_available_places")
    problems = {name: [CHECKS[name][1]] for name in names if not CHECKS[name][0](wish.get(name))}
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    return success({"total_cost": minor(cost(wish["reward"], wish["total_available_places"]))})
