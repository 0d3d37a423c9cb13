"""Metrics of fused images, a family each, all on (H, W) uint8 images of one size.

`seen` is (H, W), non-zero where infrared really sees, or None where it sees everywhere: pixels that it does not see
count for nothing, nor do windows that reach over one. A metric is NaN where nothing is left to measure.
"""
