"""What a run amounted to: figures, summary and report."""
