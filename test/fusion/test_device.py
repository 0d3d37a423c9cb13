"""Where networks run, memory to spare, and the errors of having none."""

import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from tardal_ros.fusion import device  # noqa: E402

CPU = torch.device("cpu")


def test_memory_as_linux_tells(monkeypatch, tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:  900 kB\nMemFree:  100 kB\nMemAvailable:  300 kB\n")
    monkeypatch.setattr(device, "_MEMINFO", path)
    assert device.free_bytes(CPU) == 300 * 1024


@pytest.mark.parametrize("content", [None, "MemTotal:  900 kB\n"])
def test_memory_where_it_does_not(monkeypatch, tmp_path, content):
    path = tmp_path / "meminfo"
    if content:
        path.write_text(content)
    monkeypatch.setattr(device, "_MEMINFO", path)
    assert device.free_bytes(CPU) > 2**20


def test_torch_runs_out_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert device.is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), True),
        (RuntimeError("Expected 4-dimensional input"), False),
    ],
)
def test_errors_of_memory(error, expected):
    assert device.is_out_of_memory(error) is expected


def test_auto_finds_a_device():
    assert device.find_device("auto").type in ("cpu", "cuda")
    assert device.find_device("cpu") == torch.device("cpu")
