"""The operator's door: the `crowdops` command and the servers that it brings along."""
