import pytest

from tardal_ros.pipeline.meter import WINDOW, Meter, percentile


def test_reading_counts_and_percentiles():
    meter = Meter()
    for millisecond in range(1, 101):
        meter.add(busy=millisecond / 1e3, latency=millisecond / 1e2)
    meter.drop("replaced", 3)
    meter.drop("late")
    meter.error("no such device")
    reading = meter.read()
    assert reading.processed == 100
    assert reading.busy_p50 == pytest.approx(0.050, abs=0.002)
    assert reading.busy_p95 == pytest.approx(0.095, abs=0.002)
    assert reading.latency_p95 == pytest.approx(0.95, abs=0.02)
    assert reading.drops == {"replaced": 3, "late": 1}
    assert (reading.errors, reading.last_error) == (1, "no such device")
    assert meter.dropped == 4
    assert reading.rate > 0


def test_percentiles_are_over_the_recent_window():
    meter = Meter()
    meter.add(busy=100.0)
    for _ in range(WINDOW):
        meter.add(busy=1.0)
    assert meter.read().busy_p95 == 1.0
    assert meter.read().processed == WINDOW + 1


def test_empty_meter_reads_zero():
    reading = Meter().read()
    assert (reading.processed, reading.rate, reading.busy_p95, reading.drops) == (0, 0.0, 0.0, {})


def test_percentile_of_few_values():
    assert percentile([], 0.5) == 0.0
    assert percentile([7.0], 0.95) == 7.0
