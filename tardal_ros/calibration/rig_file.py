"""Reads and writes rig files: the YAML that describes the cameras of a rig (see config/calibration/rig.yaml)."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tardal_ros.calibration.cameras import Floats
from tardal_ros.calibration.checks import check_camera, check_rig
from tardal_ros.calibration.rig import REFERENCE, STREAMS, Camera, Pose, Rig
from tardal_ros.errors import RigError
from tardal_ros.types import CameraInfo

_LARGEST_FILE = 64 * 1024
_REQUIRED_STREAMS = (REFERENCE, "infrared/left")


def load_rig(path: str | Path) -> Rig:
    """Reads a rig file.

    Args:
        path: The YAML file.

    Returns:
        The rig, checked.

    Raises:
        RigError: The file is missing, is not YAML, or describes what no rig can be; the text names file and key.
    """
    path = Path(path)
    root = _Mapping(_parse(path), f"{path}:", required=_REQUIRED_STREAMS, optional=(*STREAMS, "plane"))
    cameras = {stream: _camera(root, stream) for stream in STREAMS if stream in root.data}
    rig = Rig(cameras, _plane(root))
    check_rig(rig, str(path))
    return rig


def dump_rig(rig: Rig, path: str | Path) -> None:
    """Writes a rig file that `load_rig` reads back; an existing file is replaced in one step.

    Raises:
        OSError: The file cannot be written.
    """
    data: dict[str, Any] = {stream: _camera_data(stream, camera) for stream, camera in rig.cameras.items()}
    if rig.plane.any():
        length = float(np.linalg.norm(rig.plane))
        data["plane"] = {"normal": (rig.plane / length).tolist(), "distance": 1.0 / length}
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_text(yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=120), encoding="utf-8")
    part.replace(path)


class _Loader(yaml.SafeLoader):
    """Safe YAML without what makes a small file large or lets a copied block silently replace another."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("anchors and aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if isinstance(key, str) and keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"'{min(twice)}' is there twice")
        return super().construct_mapping(node, deep)


def _parse(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise RigError(f"cannot read the rig file {path}: {error.strerror or error}") from error
    if len(text) > _LARGEST_FILE:
        raise RigError(f"{path} is larger than {_LARGEST_FILE // 1024} KiB, so it is no rig file")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise RigError(f"{path} is not YAML: {error.problem or error.context}{line}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RigError(f"{path} is not a YAML rig file: {' '.join(str(error).split())[:200]}") from error


class _Mapping:
    """One YAML mapping with known keys, read value by value; every complaint names file and key."""

    def __init__(self, data: Any, where: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        if not isinstance(data, dict):
            raise RigError(f"{where} must be a mapping with the keys {', '.join(required)}")
        unknown = [str(key) for key in data if key not in (*required, *optional)]
        if unknown:
            known = ", ".join(dict.fromkeys((*required, *optional)))
            raise RigError(f"{where} unknown key '{unknown[0][:80]}'; the keys are {known}")
        missing = [key for key in required if key not in data]
        if missing:
            raise RigError(f"{where} '{missing[0]}' is missing")
        self.data = data
        self._where = where

    def where(self, key: str) -> str:
        """The name of a value, for errors: file and dotted key."""
        return f"{self._where} {key}" if self._where.endswith(":") else f"{self._where}.{key}"

    def mapping(self, key: str, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> _Mapping:
        return _Mapping(self.data[key], self.where(key), required, optional)

    def text(self, key: str) -> str:
        value = self.data[key]
        if not isinstance(value, str) or not value.strip():
            raise RigError(f"{self.where(key)} must be a name")
        return value

    def size(self, key: str) -> int:
        value = self.data[key]
        if isinstance(value, bool) or not isinstance(value, int):
            raise RigError(f"{self.where(key)} must be a whole number of pixels")
        return value

    def number(self, key: str) -> float:
        """A number, possibly infinite."""
        return _number(self.data[key], self.where(key))

    def numbers(self, key: str, count: int | None = None) -> Floats:
        """A list of finite numbers."""
        where, values = self.where(key), self.data[key]
        if not isinstance(values, list) or (count is not None and len(values) != count):
            raise RigError(f"{where} must be a list of {'' if count is None else f'{count} '}numbers")
        numbers = np.array([_number(value, where) for value in values], dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise RigError(f"{where} holds a number that is not finite")
        return numbers

    def matrix(self, key: str, rows: int, columns: int) -> Floats:
        """A matrix as camera_info files write it: rows, cols, data."""
        block = self.mapping(key, ("rows", "cols", "data"))
        if (block.data["rows"], block.data["cols"]) != (rows, columns):
            raise RigError(f"{self.where(key)} must have rows: {rows} and cols: {columns}")
        return block.numbers("data", rows * columns).reshape(rows, columns)


def _number(value: Any, where: str) -> float:
    # YAML 1.1 takes 1e-3, which other tools write, for text.
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise RigError(f"{where}: {str(value)[:40]!r} is not a number")


def _camera(root: _Mapping, stream: str) -> Camera:
    placed = () if stream == REFERENCE else ("pose", "homography")
    entry = root.mapping(stream, ("frame_id", "camera_info"), placed)
    camera = Camera(entry.text("frame_id"), _camera_info(entry))
    if stream == REFERENCE:
        return camera
    if ("pose" in entry.data) == ("homography" in entry.data):
        raise RigError(f"{root.where(stream)} needs either 'pose' or 'homography', one of them")
    if "homography" in entry.data:
        return Camera(camera.frame_id, camera.info, homography=entry.matrix("homography", 3, 3))
    return Camera(camera.frame_id, camera.info, pose=_pose(entry))


def _camera_info(entry: _Mapping) -> CameraInfo:
    block = entry.mapping(
        "camera_info",
        ("image_width", "image_height", "camera_matrix", "distortion_model", "distortion_coefficients"),
        ("camera_name", "rectification_matrix", "projection_matrix"),
    )
    model = block.text("distortion_model")
    k = block.matrix("camera_matrix", 3, 3)
    count = len(block.mapping("distortion_coefficients", ("rows", "cols", "data")).numbers("data"))
    info = CameraInfo(
        width=block.size("image_width"),
        height=block.size("image_height"),
        k=k,
        d=block.matrix("distortion_coefficients", 1, count)[0],
        r=block.matrix("rectification_matrix", 3, 3) if "rectification_matrix" in block.data else np.eye(3),
        p=(
            block.matrix("projection_matrix", 3, 4)
            if "projection_matrix" in block.data
            else np.hstack([k, np.zeros((3, 1))])
        ),
        distortion_model=model,
    )
    check_camera(info, entry.where("camera_info"))
    return info


def _pose(entry: _Mapping) -> Pose:
    block = entry.mapping("pose", ("translation", "rotation"))
    quaternion = block.numbers("rotation", 4)
    length = np.linalg.norm(quaternion)
    if abs(length - 1.0) > 0.01:
        raise RigError(f"{block.where('rotation')} must be a quaternion x, y, z, w of length 1, not {length:g}")
    return Pose(_rotation(quaternion / length), block.numbers("translation", 3))


def _plane(root: _Mapping) -> Floats:
    if "plane" not in root.data:
        return np.zeros(3)
    block = root.mapping("plane", ("distance",), ("normal",))
    distance = block.number("distance")
    if not distance > 0:
        raise RigError(f"{block.where('distance')} must be above 0 metres, or infinity")
    normal = block.numbers("normal", 3) if "normal" in block.data else np.array([0.0, 0.0, 1.0])
    length = np.linalg.norm(normal)
    if length < 1e-6:
        raise RigError(f"{block.where('normal')} must not be zero")
    plane: Floats = normal / length / distance
    return plane


def _rotation(quaternion: Floats) -> Floats:
    """3x3 rotation of a unit quaternion x, y, z, w: v' = v + 2w (q x v) + 2 q x (q x v)."""
    x, y, z, w = quaternion
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    matrix: Floats = np.eye(3) + 2.0 * w * cross + 2.0 * cross @ cross
    return matrix


def _quaternion(rotation: Floats) -> Floats:
    """Unit quaternion x, y, z, w of a rotation: the eigenvector of its largest eigenvalue (Bar-Itzhack 2000)."""
    (a, b, c), (d, e, f), (g, h, i) = rotation
    symmetric = np.array(
        [
            [a - e - i, b + d, c + g, h - f],
            [b + d, e - a - i, f + h, c - g],
            [c + g, f + h, i - a - e, d - b],
            [h - f, c - g, d - b, a + e + i],
        ]
    )
    largest: Floats = np.linalg.eigh(symmetric)[1][:, -1]
    return largest if largest[3] >= 0 else -largest


def _camera_data(stream: str, camera: Camera) -> dict[str, Any]:
    info = camera.info
    data: dict[str, Any] = {
        "frame_id": camera.frame_id,
        "camera_info": {
            "image_width": info.width,
            "image_height": info.height,
            "camera_name": stream.replace("/", "_"),
            "camera_matrix": _matrix_data(info.k),
            "distortion_model": info.distortion_model,
            "distortion_coefficients": _matrix_data(info.d[None]),
            "rectification_matrix": _matrix_data(info.r),
            "projection_matrix": _matrix_data(info.p),
        },
    }
    if camera.homography is not None:
        data["homography"] = _matrix_data(camera.homography)
    elif stream != REFERENCE:
        rotation = _quaternion(camera.pose.rotation).tolist()
        data["pose"] = {"translation": camera.pose.translation.tolist(), "rotation": rotation}
    return data


def _matrix_data(matrix: Floats) -> dict[str, Any]:
    return {"rows": matrix.shape[0], "cols": matrix.shape[1], "data": matrix.ravel().tolist()}
