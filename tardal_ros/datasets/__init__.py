"""Data sets as people download them: which pictures belong together, and what is in them."""
