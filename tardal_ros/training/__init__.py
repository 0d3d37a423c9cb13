"""Training networks offline, with the very modules that the nodes run."""
