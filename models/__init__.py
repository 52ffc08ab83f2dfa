"""What is true: the shared database. Importing it registers every table, for Alembic and for relationships."""

from models.agent import Agent
from models.assignment import Assignment
from models.attempt import Attempt
from models.balance_reading import BalanceReading
from models.clock import Clock
from models.discrepancy import Discrepancy
from models.granted_qualification import GrantedQualification
from models.group import Group
from models.operation import Operation
from models.posting import Posting
from models.project import Project
from models.qualification import Qualification
from models.requester import Requester
from models.spend_limit import SpendLimit
from models.task import Task
from models.task_run import TaskRun
from models.tick import Tick
from models.unit import Unit
from models.worker import Worker

__all__ = [
    "Agent",
    "Assignment",
    "Attempt",
    "BalanceReading",
    "Clock",
    "Discrepancy",
    "GrantedQualification",
    "Group",
    "Operation",
    "Posting",
    "Project",
    "Qualification",
    "Requester",
    "SpendLimit",
    "Task",
    "TaskRun",
    "Tick",
    "Unit",
    "Worker",
]
