"""The workers' door: a task's page asks here for a worker's data over HTTP, and hands in what they did."""
