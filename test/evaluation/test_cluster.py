import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.cluster import evaluate_on_cluster, packed, unpack
from tardal_ros.evaluation.offline import Settings, evaluate, result_path
from tardal_ros.evaluation.recording import DatasetRecording

SETTINGS = Settings(("average",))


@pytest.fixture
def cluster(tmp_path):
    """A scheduler, and two workers in processes of their own."""
    distributed = pytest.importorskip("distributed", reason="needs Dask's distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
        silence_logs=50,
    ) as cluster:
        yield cluster


def frames_of(folder, name):
    header, *rows, end = [json.loads(line) for line in result_path(folder, name).read_text().splitlines()]
    assert end["finished"]
    return {row["name"]: row["fusers"]["average"]["sha256"] for row in rows}


def test_a_killed_worker_loses_nothing_and_doubles_nothing(tmp_path, make_pairs, cluster, wait_until):
    from distributed import Client

    recordings = [
        DatasetRecording(make_pairs(tmp_path / name, 3, ("car", "person"), first=10 * number))
        for number, name in enumerate("abc")
    ]
    for recording in recordings:
        evaluate(recording, SETTINGS, tmp_path / "alone")
    # A worker that comes to the last label of `a` waits there: until then it has done half of it, and goes no further.
    label = tmp_path / "a" / "labels" / "002.txt"
    kept = shutil.copy(label, tmp_path / "label.txt")
    label.unlink()
    os.mkfifo(label)
    work = evaluate_on_cluster(recordings, SETTINGS, tmp_path / "out", cluster.scheduler_address)
    done = [next(work).name, next(work).name]  # the other worker goes on meanwhile
    assert sorted(done) == ["b", "c"]
    held = []

    def worker_is_there():
        try:
            held.append(os.open(label, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    wait_until(worker_is_there, what="a worker to read the label")
    with Client(cluster.scheduler_address) as client:
        (busy,) = [address for address, tasks in client.processing().items() if tasks]
        pids = client.run(os.getpid)
    label.unlink()
    shutil.copy(kept, label)
    os.kill(pids[busy], signal.SIGKILL)
    done += [each.name for each in work]
    os.close(held[0])
    assert sorted(done) == ["a", "b", "c"]
    for recording in recordings:
        assert frames_of(tmp_path / "out", recording.name) == frames_of(tmp_path / "alone", recording.name)
    assert sorted(path.name for path in (tmp_path / "out" / "recordings").iterdir()) == [
        "a.jsonl",
        "b.jsonl",
        "c.jsonl",
    ]


def test_what_comes_back_is_what_a_run_here_would_have_written(tmp_path, make_pairs):
    recording = DatasetRecording(make_pairs(tmp_path / "a", 2))
    evaluate(recording, SETTINGS, tmp_path / "here")
    (tmp_path / "there" / "shots" / "a").mkdir(parents=True)
    (tmp_path / "there" / "shots" / "a" / "of_an_earlier_run.jpg").write_bytes(b"")
    unpack(packed(recording, SETTINGS), tmp_path / "there", "a")
    files = [{path.relative_to(tmp_path / run) for path in (tmp_path / run).rglob("*.*")} for run in ("here", "there")]
    assert files[0] == files[1] and Path("recordings/a.jsonl") in files[0]


def test_an_address_without_a_scheduler_is_told(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="needs Dask's distributed")
    monkeypatch.setattr("tardal_ros.evaluation.cluster._PATIENCE", 0.2)
    with pytest.raises(RigError, match="no Dask scheduler at tcp://"):
        list(evaluate_on_cluster([], SETTINGS, tmp_path, "tcp://127.0.0.1:9"))
