"""Recordings spread over a Dask cluster: its scheduler decides where, and runs again what a lost worker had begun."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Generator, Sequence
from pathlib import Path

from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.evaluation.offline import Settings, evaluate, prepare_process, result_path
from tardal_ros.evaluation.recording import Recording
from tardal_ros.files import replace_bytes

_PATIENCE = 30.0  # Seconds to find the scheduler.


def evaluate_on_cluster(
    recordings: Sequence[Recording], settings: Settings, folder: Path, address: str
) -> Generator[Recording, None, None]:
    """Evaluates recordings on a cluster, and yields each when its files are in the folder.

    A recording is one task that writes nothing but its result, which comes back here and is written here. Workers must
    find data and weights under the same paths.

    Args:
        recordings: What to evaluate.
        settings: How.
        folder: See `evaluate`; of this machine.
        address: Of the scheduler, such as `tcp://host:8786`.

    Raises:
        RigError: There is no such scheduler, or a recording cannot be evaluated.
        MissingDependencyError: distributed is not installed.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise MissingDependencyError(
            "A cluster needs the library distributed: run `pip install '.[cluster]'` in the checkout."
        ) from None
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise RigError(f"There is no Dask scheduler at {address} ({error}): start one, or check the address.") from None
    with client:
        waiting = {
            client.submit(packed, recording, settings, key=_key(recording, settings)): recording
            for recording in recordings
        }
        try:
            for future in as_completed(list(waiting)):
                recording = waiting.pop(future)
                unpack(future.result(), folder, recording.name)
                future.release()
                yield recording
        except KilledWorker as error:
            raise RigError(f"Workers of the cluster die of it again and again ({error}): look at their logs.") from None
        finally:
            client.cancel(list(waiting))


def packed(recording: Recording, settings: Settings) -> bytes:
    """Evaluates a recording, and returns its files as a ZIP archive.

    Raises:
        RigError: See `evaluate`.
    """
    prepare_process()
    data = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="tardal_ros-") as passing:
        evaluate(recording, settings, Path(passing))
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(passing).rglob("*.*")):
                archive.write(path, path.relative_to(passing))
    return data.getvalue()


def unpack(data: bytes, folder: Path, name: str) -> None:
    """Writes what `packed` returned; the result itself comes last: where that is, the pictures are.

    Raises:
        RigError: The folder cannot be written.
    """
    result = result_path(Path(), name).as_posix()
    shutil.rmtree(folder / "shots" / name, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for path in sorted(archive.namelist(), key=lambda path: path == result):
            replace_bytes(folder / path, archive.read(path))


def _key(recording: Recording, settings: Settings) -> str:
    """The same task has the same key, so that a cluster which knows it need not do it twice."""
    return f"evaluate-{recording.name}-{recording.fingerprint()}-{settings.key(recording.calibration)}"
