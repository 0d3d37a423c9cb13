"""What the rig must reach, measured: each module prints one table and returns its rows."""
