"""When a vendor is asked, and what becomes of the answer: the Celery app, the dispatcher, the engine, reconcile."""
