"""Image messages to arrays and back, without a copy where the encoding allows.

Decoding only reads attributes, so it takes the messages of rclpy and those of the rosbags library alike. What comes out
has the layout of `tardal_ros.types.Frame`: (H, W) grey uint8, uint16 or float32, or (H, W, 3) BGR uint8, read-only.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.types import Array, freeze

MAX_COMPRESSED_PIXELS = 1 << 26
"""Larger compressed images are refused: a few bytes may claim gigabytes."""


@dataclass(frozen=True)
class _Layout:
    """How an encoding lays out a pixel, and the OpenCV conversion to ours, if it needs one."""

    dtype: type[np.generic]
    channels: int
    conversion: int | None = None


_GREY8 = _Layout(np.uint8, 1)
_GREY16 = _Layout(np.uint16, 1)
_BGR8 = _Layout(np.uint8, 3)
_UYVY = _Layout(np.uint8, 2, cv2.COLOR_YUV2BGR_UYVY)
_YUYV = _Layout(np.uint8, 2, cv2.COLOR_YUV2BGR_YUY2)

# OpenCV names a Bayer pattern after the second row's second and third pixel, ROS after the first row's first two.
_LAYOUTS = {
    "mono8": _GREY8,
    "8UC1": _GREY8,
    "mono16": _GREY16,
    "16UC1": _GREY16,
    "32FC1": _Layout(np.float32, 1),
    "bgr8": _BGR8,
    "8UC3": _BGR8,
    "rgb8": _Layout(np.uint8, 3, cv2.COLOR_RGB2BGR),
    "bgra8": _Layout(np.uint8, 4, cv2.COLOR_BGRA2BGR),
    "rgba8": _Layout(np.uint8, 4, cv2.COLOR_RGBA2BGR),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "bayer_rggb8": _Layout(np.uint8, 1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": _Layout(np.uint8, 1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": _Layout(np.uint8, 1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": _Layout(np.uint8, 1, cv2.COLOR_BayerGB2BGR),
}

_ENCODINGS_OUT = {("uint8", 1): "mono8", ("uint16", 1): "mono16", ("float32", 1): "32FC1", ("uint8", 3): "bgr8"}


def decode(msg: Any) -> Array:
    """Returns the image of a sensor_msgs/Image or CompressedImage.

    The array of a `mono8`, `mono16`, `32FC1` or `bgr8` Image is a view on the message's data; colour comes out as BGR.
    A `32FC1` image may hold NaN.

    Args:
        msg: The message, of rclpy or of rosbags.

    Returns:
        (H, W) uint8, uint16 or float32, or (H, W, 3) BGR uint8; read-only.

    Raises:
        RigError: The encoding is unknown, or the message's fields contradict each other.
    """
    if not hasattr(msg, "encoding"):
        return _decode_compressed(msg)
    layout = _LAYOUTS.get(msg.encoding)
    if layout is None:
        return _decode_with_cv_bridge(msg)
    return freeze(_convert(_pixels(msg, layout), layout))


def encode(image: Array, header: Any, encoding: str | None = None) -> Any:
    """Returns an array as a sensor_msgs/Image, at the cost of one copy.

    Args:
        image: (H, W) uint8, uint16 or float32, or (H, W, 3) BGR uint8.
        header: The message's std_msgs/Header.
        encoding: Another name for the array's layout, such as `16UC1`; by default `mono8`, `mono16`, `32FC1` or `bgr8`.

    Raises:
        RigError: No encoding, or not this one, has the array's layout.
    """
    from sensor_msgs.msg import Image

    channels = _channels(image)
    encoding = encoding or _ENCODINGS_OUT.get((image.dtype.name, channels), "")
    layout = _LAYOUTS.get(encoding)
    if (
        layout is None
        or layout.conversion is not None
        or (layout.dtype, layout.channels) != (image.dtype.type, channels)
    ):
        raise RigError(
            f"An array of shape {image.shape} and type {image.dtype} has no encoding"
            f"{f' {encoding!r}' if encoding else ''}; encode grey uint8, uint16, float32 or BGR uint8."
        )
    height, width = image.shape[:2]
    msg = Image(header=header, height=height, width=width, encoding=encoding)
    msg.is_bigendian = int(sys.byteorder == "big")
    msg.step = width * channels * image.itemsize
    # Filling the message's own array skips the setter, which would copy once more or check every byte.
    msg.data.frombytes(np.ascontiguousarray(image).data.cast("B"))
    return msg


def encode_compressed(image: Array, header: Any, format: str = "jpeg") -> Any:
    """Returns an array as a sensor_msgs/CompressedImage that image_transport can read.

    Args:
        image: (H, W) uint8, (H, W, 3) BGR uint8, or for PNG (H, W) uint16.
        header: The message's std_msgs/Header.
        format: `jpeg` or `png`.

    Raises:
        RigError: The format is unknown or cannot hold such an image.
    """
    from sensor_msgs.msg import CompressedImage

    kinds = {"jpeg": ("mono8", "bgr8"), "png": ("mono8", "bgr8", "mono16")}
    if format not in kinds:
        raise RigError(f"Images cannot be compressed as {format!r}; choose jpeg or png.")
    encoding = _ENCODINGS_OUT.get((image.dtype.name, _channels(image)))
    if encoding not in kinds[format]:
        raise RigError(
            f"An array of shape {image.shape} and type {image.dtype} cannot be compressed as {format}, "
            f"which takes {', '.join(kinds[format])}."
        )
    data = cv2.imencode(f".{format}", image)[1]
    payload = "bgr8" if encoding == "bgr8" else ""
    msg = CompressedImage(header=header, format=f"{encoding}; {format} compressed {payload}")
    msg.data.frombytes(data)
    return msg


def _channels(image: Array) -> int:
    return 1 if image.ndim == 2 else int(image.shape[2]) if image.ndim == 3 else 0


def _pixels(msg: Any, layout: _Layout) -> Array:
    """Returns the message's pixels as they are: (H, W) or (H, W, C) in native byte order, a view if it can be."""
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    what = f"Image of {width}x{height} pixels in {msg.encoding}"
    if not height or not width:
        raise RigError(f"{what} has no pixels.")
    if layout.channels == 2 and width % 2:
        raise RigError(f"{what} needs an even width, since two pixels share their colour.")
    dtype = np.dtype(layout.dtype)
    row = width * layout.channels * dtype.itemsize
    if step < row:
        raise RigError(f"{what} needs a step of at least {row} bytes, but says {step}.")
    if len(msg.data) != step * height:
        raise RigError(f"{what} needs {step * height} bytes with its step of {step}, but has {len(msg.data)}.")
    if dtype.itemsize > 1:
        if msg.is_bigendian not in (0, 1):
            raise RigError(f"{what} says is_bigendian is {msg.is_bigendian}, but it must be 0 or 1.")
        dtype = dtype.newbyteorder(">" if msg.is_bigendian else "<")
    shape: tuple[int, ...] = (height, width)
    if layout.channels > 1:
        shape = (*shape, layout.channels)
    strides = (step, layout.channels * dtype.itemsize, dtype.itemsize)[: len(shape)]
    pixels: Array = np.ndarray(shape, dtype, np.frombuffer(msg.data, np.uint8), strides=strides)
    if dtype.isnative and pixels.flags.aligned:
        return pixels
    return pixels.astype(layout.dtype)


def _convert(pixels: Array, layout: _Layout) -> Array:
    return pixels if layout.conversion is None else cv2.cvtColor(pixels, layout.conversion)


def _decode_compressed(msg: Any) -> Array:
    what = f"Compressed image of format {msg.format!r}"
    if "compressedDepth" in msg.format:
        raise RigError(f"{what} is not supported; use the raw depth image instead.")
    encoding, _, payload = msg.format.partition(";")
    data = memoryview(msg.data).cast("B")
    size = _compressed_size(data)
    if size is None:
        raise RigError(f"{what} holds no JPEG or PNG image.")
    if not 0 < size[0] * size[1] <= MAX_COMPRESSED_PIXELS:
        raise RigError(f"{what} claims {size[0]}x{size[1]} pixels; at most {MAX_COMPRESSED_PIXELS} are decoded.")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise RigError(f"{what} is damaged and cannot be decoded.")
    if image.ndim == 2 and encoding.startswith("bayer") and encoding in _LAYOUTS and image.dtype == np.uint8:
        return freeze(_convert(image, _LAYOUTS[encoding]))
    return freeze(_normalise(image, swapped="compressed rgb" in payload))


def _normalise(image: Array, swapped: bool) -> Array:
    """Brings a decoded JPEG or PNG into our layout; `swapped` if red and blue were exchanged when it was compressed."""
    if image.ndim == 2:
        return image
    if image.dtype != np.uint8:
        image = (image // 257).astype(np.uint8)
    if image.shape[2] == 4:
        return cv2.cvtColor(image, cv2.COLOR_RGBA2BGR if swapped else cv2.COLOR_BGRA2BGR)
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if swapped else image


def _compressed_size(data: memoryview) -> tuple[int, int] | None:
    """Reads width and height from the header of a PNG or JPEG; None if it is neither."""
    if bytes(data[:8]) == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if bytes(data[:2]) != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        else:
            at += 2 + length
    return None


@functools.cache
def _cv_bridge() -> Any:
    """Returns a CvBridge, or None where there is none or it was built against another NumPy (its import then fails)."""
    try:
        import cv_bridge.boost.cv_bridge_boost  # noqa: F401 - what breaks is the extension
        from cv_bridge import CvBridge
    except Exception:
        return None
    return CvBridge()


def _decode_with_cv_bridge(msg: Any) -> Array:
    """Decodes the rarer encodings where a ROS installation brings cv_bridge."""
    bridge = _cv_bridge()
    if bridge is None:
        raise RigError(f"Image encoding {msg.encoding!r} is not supported; use one of {', '.join(_LAYOUTS)}.")
    try:
        return freeze(np.asarray(bridge.imgmsg_to_cv2(msg, desired_encoding="bgr8")))
    except Exception as error:
        raise RigError(f"Image encoding {msg.encoding!r} cannot become BGR: {error}.") from None
