"""What every node shares: base node, ports, image codec, parameters and diagnostics."""
