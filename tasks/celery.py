"""The Celery app: settings in, configured queues and limits out. `celery -A tasks` finds it here.

Postgres is the truth and a message is only a nudge, so there is no result backend and losing the broker loses nothing.
"""

from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from models import failpoints
from models.settings import settings
from providers import installed
from tasks import broker, schedule

MONEY, CONTROL = "money", "control"
#: One rotation of messages that a dead worker held (seconds x rounds); kombu's default takes over a minute and a half.
_RESTORE = {"unacked_restore_interval": 5, "unacked_restore_throttle": 1}
#: A publisher that finds no broker gives up at once; the connection of a worker is kept up by other settings.
_PUBLISH = {"max_retries": 0}
_SOCKET = {"socket_timeout": 10, "socket_connect_timeout": 5, "socket_keepalive": True, "health_check_interval": 10}


def queue_names() -> list[str]:
    """One queue a vendor, one for money, one for the dispatcher and reconciliation."""
    return [*sorted(installed()), MONEY, CONTROL]


def _configuration() -> dict[str, Any]:
    """Every setting, from the environment.

    Raises:
        SettingsError: time limits are out of order (see `models.settings.Timing`), or a failpoint is not known.
    """
    failpoints.validate()
    timing = settings().timing
    return {
        "broker_url": settings().broker(),
        "broker_transport_options": {
            "visibility_timeout": timing.visibility,
            "global_keyprefix": "crowdops:",
            **_PUBLISH,
            **_SOCKET,
            **_RESTORE,
        },
        "visibility_timeout": timing.visibility,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_soft_time_limit": timing.soft_limit,
        "task_time_limit": timing.hard_limit,
        # A round must be over before the broker delivers its message again.
        "task_annotations": {
            "crowdops.reconcile_account": {
                "soft_time_limit": 0.8 * timing.visibility,
                "time_limit": 0.9 * timing.visibility,
            }
        },
        "task_default_queue": CONTROL,
        "task_queues": [Queue(name, Exchange(name), routing_key=name) for name in queue_names()],
        "task_create_missing_queues": False,
        "task_track_started": True,
        "task_send_sent_event": True,
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_soft_shutdown_timeout": timing.soft_limit,
        "worker_max_tasks_per_child": 5000,
        "beat_schedule": schedule.entries(),
        "beat_schedule_filename": str(settings().home / "beat-schedule"),
    }


broker.install()
app = Celery("tasks", include=["tasks.execute", "tasks.dispatch", "tasks.reconcile", "tasks.audit"])
# Evaluated when it is first needed, so that importing this module neither reads nor freezes the environment.
app.add_defaults(_configuration)
