"""Every endpoint of Prolific's API that the simulator answers, with the shape its errors are documented in."""

from providers.prolific.simulator import account, bonuses, decisions, groups, messages, studies, submissions
from providers.prolific.simulator.endpoint import Endpoint

PREFIX = "/api/v1/"
ENDPOINTS = (
    Endpoint("GET", "users/me/", account.me, nested=True),
    Endpoint("GET", "workspaces/", account.workspaces, nested=True),
    Endpoint("GET", "workspaces/{workspace_id}/projects/", account.projects, nested=True),
    Endpoint("GET", "workspaces/{workspace_id}/balance/", account.balance, nested=True),
    Endpoint("POST", "study-cost-calculator/", account.calculate, nested=False),
    Endpoint("POST", "studies/", studies.create, nested=False),
    Endpoint("GET", "studies/", studies.find, nested=False),
    Endpoint("GET", "projects/{project_id}/studies/", studies.find_in_project, nested=False),
    Endpoint("GET", "studies/{id}/", studies.show, nested=True),
    Endpoint("PATCH", "studies/{id}/", studies.change, nested=True),
    Endpoint("DELETE", "studies/{id}/", studies.delete, nested=True),
    Endpoint("POST", "studies/{id}/transition/", studies.transition, nested=True),
    Endpoint("GET", "studies/{id}/submissions/counts/", studies.count, nested=False),
    Endpoint("GET", "studies/{id}/cost/", studies.price, nested=False),
    Endpoint("GET", "submissions/", submissions.find, nested=False),
    Endpoint("POST", "submissions/bulk-approve/", submissions.bulk_approve, nested=False),
    Endpoint("POST", "submissions/bonus-payments/", bonuses.set_up, nested=True),
    Endpoint("POST", "bulk-bonus-payments/{id}/pay/", bonuses.pay, nested=True),
    Endpoint("GET", "submissions/{id}/", submissions.show, nested=True),
    Endpoint("POST", "submissions/{id}/transition/", decisions.transition, nested=True),
    Endpoint("POST", "submissions/{id}/request-return/", decisions.request_return, nested=True),
    Endpoint("GET", "participant-groups/", groups.find, nested=True),
    Endpoint("POST", "participant-groups/", groups.create, nested=True),
    Endpoint("GET", "participant-groups/{id}/", groups.show, nested=True),
    Endpoint("PATCH", "participant-groups/{id}/", groups.change, nested=True),
    Endpoint("DELETE", "participant-groups/{id}/", groups.delete, nested=True),
    Endpoint("GET", "participant-groups/{id}/participants/", groups.members, nested=True),
    Endpoint("POST", "participant-groups/{id}/participants/", groups.add, nested=True),
    Endpoint("DELETE", "participant-groups/{id}/participants/", groups.remove, nested=True),
    Endpoint("GET", "messages/", messages.find, nested=False),
    Endpoint("POST", "messages/", messages.send, nested=False),
    Endpoint("POST", "messages/bulk/", messages.send_many, nested=False),
    Endpoint("POST", "messages/participant-group/", messages.send_group, nested=False),
)
