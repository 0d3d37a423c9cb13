"""What a run amounted to: bags, summary and report."""
