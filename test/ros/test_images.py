"""The image codec, on messages that only look like messages, so that most of it is tested without ROS."""

import array
import struct
import sys
import types
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.errors import RigError
from tardal_ros.ros import images

VIEWS = {"mono8": np.uint8, "8UC1": np.uint8, "mono16": np.uint16, "16UC1": np.uint16, "32FC1": np.float32}
BAYER = ("rggb", "bggr", "gbrg", "grbg")


def image_message(pixels, encoding, padding=0, big=False, container=lambda data: array.array("B", data)):
    """Lays pixels out as a publisher does, with rubbish in the padding."""
    pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    height, width = pixels.shape[:2]
    rows = np.frombuffer(pixels.tobytes(), np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xA5)
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=int(big), step=rows.shape[1],
        data=container(rows.tobytes()),
    )  # fmt: skip


def compressed_message(data, format):
    return SimpleNamespace(format=format, data=array.array("B", bytes(data)))


def colour_scene(height=48, width=64):
    """A smooth picture in which red, green and blue differ, so that swapped channels are seen."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.dstack([40 + x, 90 + y, 200 - x]).astype(np.uint8)


sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
paddings = st.integers(0, 7)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(VIEWS)), sizes, paddings, st.booleans(), st.randoms(use_true_random=False))
def test_grey_survives_any_size_step_and_byte_order(encoding, size, padding, big, random):
    dtype = np.dtype(VIEWS[encoding])
    raw = np.frombuffer(random.randbytes(size[0] * size[1] * dtype.itemsize), dtype).reshape(size)

    image = images.decode(image_message(raw, encoding, padding, big))

    assert image.dtype == dtype and image.dtype.isnative and image.shape == size
    assert image.tobytes() == raw.tobytes()
    assert not image.flags.writeable


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(["bgr8", "8UC3", "rgb8", "bgra8", "rgba8"]), sizes, paddings, st.randoms(use_true_random=False))
def test_colour_becomes_bgr_at_any_size_and_step(encoding, size, padding, random):
    bgr = np.frombuffer(random.randbytes(size[0] * size[1] * 3), np.uint8).reshape(*size, 3)
    raw = bgr[..., ::-1] if encoding.startswith("rgb") else bgr
    if encoding.endswith("a8"):
        raw = np.dstack([raw, np.full(size, 7, np.uint8)])

    np.testing.assert_array_equal(images.decode(image_message(raw, encoding, padding)), bgr)


@pytest.mark.parametrize("encoding", ["mono8", "mono16", "bgr8", "8UC3", "32FC1"])
@pytest.mark.parametrize("padding", [0, 12])
def test_decoding_copies_nothing_where_the_layout_is_ours(encoding, padding):
    shape = (5, 4, 3) if encoding in ("bgr8", "8UC3") else (5, 4)
    message = image_message(np.zeros(shape, VIEWS.get(encoding, np.uint8)), encoding, padding)

    image = images.decode(message)

    assert np.shares_memory(image, np.frombuffer(message.data, np.uint8))
    assert not image.flags.writeable


@pytest.mark.parametrize("container", [bytes, bytearray, lambda data: np.frombuffer(data, np.uint8)])
def test_data_may_be_any_buffer(container):
    raw = np.arange(12, dtype=np.uint16).reshape(3, 4)

    np.testing.assert_array_equal(images.decode(image_message(raw, "mono16", container=container)), raw)


def test_misaligned_16_bit_data_is_copied_into_place():
    raw = np.arange(12, dtype=np.uint16).reshape(3, 4)

    image = images.decode(image_message(raw, "mono16", padding=1))

    assert image.flags.aligned
    np.testing.assert_array_equal(image, raw)


@pytest.mark.parametrize(("encoding", "first"), [("yuv422", "u"), ("uyvy", "u"), ("yuv422_yuy2", "y"), ("yuyv", "y")])
@pytest.mark.parametrize("padding", [0, 6])
def test_yuv422_in_both_byte_orders(encoding, first, padding):
    bgr = np.full((4, 6, 3), (30, 60, 200), np.uint8)
    luma, red, blue = cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb))
    # BT.601 in video range, as cameras send it.
    luma = np.round(16 + luma * (219 / 255)).astype(np.uint8)
    blue, red = (np.round(128 + (c.astype(float) - 128) * (224 / 255)).astype(np.uint8) for c in (blue, red))
    chroma = np.where(np.arange(6) % 2 == 0, blue, red).astype(np.uint8)
    packed = np.dstack([chroma, luma] if first == "u" else [luma, chroma])

    image = images.decode(image_message(packed, encoding, padding))

    assert image.shape == bgr.shape
    assert np.abs(image.astype(int) - bgr).max() <= 8


@pytest.mark.parametrize("pattern", BAYER)
def test_bayer_patterns_are_named_after_the_first_two_rows(pattern):
    bgr = colour_scene()
    mosaic = np.zeros(bgr.shape[:2], np.uint8)
    for index, colour in enumerate(pattern):
        y, x = divmod(index, 2)
        mosaic[y::2, x::2] = bgr[y::2, x::2, "bgr".index(colour)]

    image = images.decode(image_message(mosaic, f"bayer_{pattern}8", padding=3))

    assert np.abs(image[2:-2, 2:-2].astype(int) - bgr[2:-2, 2:-2]).max() <= 3


def test_float_images_may_hold_nan():
    raw = np.array([[1.5, np.nan], [np.inf, -2.0]], np.float32)

    np.testing.assert_array_equal(images.decode(image_message(raw, "32FC1", big=True)), raw)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "sepia"}, "'sepia'"),
        ({"step": 7}, "step of at least 8"),
        ({"step": 10}, "30 bytes with its step of 10"),
        ({"data": array.array("B", bytes(23))}, "has 23"),
        ({"data": array.array("B", bytes(25))}, "has 25"),
        ({"data": array.array("B")}, "has 0"),
        ({"width": 0}, "no pixels"),
        ({"height": 0}, "no pixels"),
        ({"width": 2**32 - 1, "height": 2**32 - 1}, "step of at least"),
        ({"height": 2**32 - 1}, "needs"),
        ({"is_bigendian": 2}, "is_bigendian is 2"),
        ({"encoding": "yuyv", "width": 3, "step": 8}, "even width"),
    ],
)
def test_contradicting_fields_are_refused_in_one_sentence(change, words):
    message = image_message(np.zeros((3, 4), np.uint16), "mono16")
    vars(message).update(change)

    with pytest.raises(RigError, match=words) as caught:
        images.decode(message)

    assert "\n" not in str(caught.value)


@pytest.fixture
def no_cv_bridge(monkeypatch):
    images._cv_bridge.cache_clear()
    yield monkeypatch
    images._cv_bridge.cache_clear()


def fake_cv_bridge(monkeypatch, bridge):
    package = types.ModuleType("cv_bridge")
    package.CvBridge = bridge
    package.boost = types.ModuleType("cv_bridge.boost")
    package.boost.cv_bridge_boost = types.ModuleType("cv_bridge.boost.cv_bridge_boost")
    for module in (package, package.boost, package.boost.cv_bridge_boost):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_rarer_encodings_go_to_cv_bridge_where_it_imports(no_cv_bridge):
    class Bridge:
        def imgmsg_to_cv2(self, message, desired_encoding):
            return np.full((message.height, message.width, 3), 9, np.uint8)

    fake_cv_bridge(no_cv_bridge, Bridge)
    image = images.decode(image_message(np.zeros((3, 4), np.uint8), "nv21"))

    assert image.shape == (3, 4, 3) and not image.flags.writeable


def test_a_failing_cv_bridge_gives_a_sentence(no_cv_bridge):
    class Bridge:
        def imgmsg_to_cv2(self, message, desired_encoding):
            raise RuntimeError("no conversion")

    fake_cv_bridge(no_cv_bridge, Bridge)
    with pytest.raises(RigError, match="'nv21' cannot become BGR: no conversion"):
        images.decode(image_message(np.zeros((3, 4), np.uint8), "nv21"))


def test_a_cv_bridge_of_another_numpy_counts_as_absent(no_cv_bridge):
    fake_cv_bridge(no_cv_bridge, object)
    no_cv_bridge.setitem(sys.modules, "cv_bridge.boost.cv_bridge_boost", None)

    with pytest.raises(RigError, match=r"'nv21' is not supported; use one of mono8"):
        images.decode(image_message(np.zeros((3, 4), np.uint8), "nv21"))


@pytest.mark.parametrize("encoding", ["mono8", "bgr8", "rgb8", "bgra8", "rgba8", "yuv422", "yuv422_yuy2"])
def test_agrees_with_cv_bridge(encoding):
    pytest.importorskip("cv_bridge")
    if images._cv_bridge() is None:
        pytest.skip("cv_bridge was built against another NumPy")
    from sensor_msgs.msg import Image

    channels = images._LAYOUTS[encoding].channels
    raw = np.random.default_rng(0).integers(0, 256, (6, 8, channels), np.uint8)
    message = Image(height=6, width=8, encoding=encoding, step=8 * channels, data=raw.tobytes())
    wanted = images._cv_bridge().imgmsg_to_cv2(message, "mono8" if encoding == "mono8" else "bgr8")

    np.testing.assert_array_equal(images.decode(message), wanted)


def encoded(image, suffix):
    return cv2.imencode(suffix, image)[1].tobytes()


def test_compressed_colour_comes_out_as_bgr():
    scene = colour_scene()
    png = encoded(scene, ".png")

    np.testing.assert_array_equal(images.decode(compressed_message(png, "rgb8; png compressed bgr8")), scene)
    np.testing.assert_array_equal(images.decode(compressed_message(png, "png")), scene)
    jpeg = images.decode(compressed_message(encoded(scene, ".jpg"), "bgr8; jpeg compressed bgr8"))
    assert np.abs(jpeg.astype(int) - scene).max() < 20
    swapped = images.decode(compressed_message(png, "rgb8; png compressed rgb8"))
    np.testing.assert_array_equal(swapped, scene[..., ::-1])


def test_compressed_16_bit_grey_keeps_its_bits():
    counts = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000

    image = images.decode(compressed_message(encoded(counts, ".png"), "mono16; png compressed "))

    assert image.dtype == np.uint16 and not image.flags.writeable
    np.testing.assert_array_equal(image, counts)


def test_compressed_alpha_16_bit_colour_and_bayer_are_brought_into_our_layout():
    scene = colour_scene()
    alpha = np.dstack([scene, np.full(scene.shape[:2], 9, np.uint8)])
    mosaic = np.full((6, 8), 50, np.uint8)

    np.testing.assert_array_equal(images.decode(compressed_message(encoded(alpha, ".png"), "png")), scene)
    deep = encoded(scene.astype(np.uint16) * 257, ".png")
    np.testing.assert_array_equal(images.decode(compressed_message(deep, "bgr16; png compressed bgr16")), scene)
    bayer = images.decode(compressed_message(encoded(mosaic, ".png"), "bayer_rggb8; png compressed "))
    np.testing.assert_array_equal(bayer, np.full((6, 8, 3), 50, np.uint8))


def damaged(data):
    middle = len(data) // 2
    return [data[:middle], data[:30], data[:2]]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_damaged_compressed_images_are_refused(suffix):
    for data in damaged(encoded(colour_scene(), suffix)):
        with pytest.raises(RigError, match=r"damaged|no JPEG or PNG"):
            images.decode(compressed_message(data, "jpeg"))


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a......", b"\xff\xd8\xff", b"\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
)
def test_other_data_is_no_image(data):
    with pytest.raises(RigError, match="'jpeg' holds no JPEG or PNG"):
        images.decode(compressed_message(data, "jpeg"))


def test_a_compressed_image_of_absurd_size_is_refused_before_it_is_decoded():
    bomb = bytearray(encoded(colour_scene(), ".png"))
    bomb[16:24] = struct.pack(">II", 30000, 30000)
    jpeg = bytearray(encoded(colour_scene(48, 64), ".jpg"))
    at = bytes(jpeg).index(struct.pack(">HH", 48, 64))
    jpeg[at : at + 4] = struct.pack(">HH", 65000, 65000)

    for data, size in ((bomb, "30000x30000"), (jpeg, "65000x65000")):
        with pytest.raises(RigError, match=size):
            images.decode(compressed_message(data, "png"))


def test_compressed_depth_is_refused_by_name():
    with pytest.raises(RigError, match="compressedDepth"):
        images.decode(compressed_message(b"....", "16UC1; compressedDepth png"))


@pytest.fixture
def header():
    return pytest.importorskip("std_msgs.msg").Header(frame_id="camera_optical")


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["mono8", "mono16", "32FC1", "bgr8"]), sizes, st.integers(1, 2))
def test_what_is_encoded_decodes_to_itself(encoding, size, stride):
    std_msgs = pytest.importorskip("std_msgs.msg")
    shape = (size[0] * stride, size[1], 3) if encoding == "bgr8" else (size[0] * stride, size[1])
    image = np.random.default_rng(1).integers(0, 256, shape).astype(VIEWS.get(encoding, np.uint8))[::stride]

    message = images.encode(image, std_msgs.Header(frame_id="eye"))

    assert (message.encoding, message.header.frame_id) == (encoding, "eye")
    assert isinstance(message.data, array.array) and message.data.typecode == "B"
    np.testing.assert_array_equal(images.decode(message), image)


def test_encoding_can_relabel_a_layout_but_not_change_it(header):
    counts = np.zeros((2, 3), np.uint16)

    assert images.encode(counts, header, "16UC1").encoding == "16UC1"
    for encoding in ("mono8", "rgb8", "sepia"):
        with pytest.raises(RigError, match=encoding):
            images.encode(counts, header, encoding)
    with pytest.raises(RigError, match="float64"):
        images.encode(np.zeros((2, 3)), header)


def test_compressed_images_come_back(header):
    counts = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    scene = colour_scene()

    np.testing.assert_array_equal(images.decode(images.encode_compressed(counts, header, "png")), counts)
    np.testing.assert_array_equal(images.decode(images.encode_compressed(scene, header, "png")), scene)
    jpeg = images.encode_compressed(scene, header)
    assert jpeg.format == "bgr8; jpeg compressed bgr8" and jpeg.header.frame_id == "camera_optical"
    assert np.abs(images.decode(jpeg).astype(int) - scene).max() < 20


def test_what_a_format_cannot_hold_is_refused(header):
    with pytest.raises(RigError, match="cannot be compressed as jpeg"):
        images.encode_compressed(np.zeros((2, 3), np.uint16), header)
    with pytest.raises(RigError, match="'webp'"):
        images.encode_compressed(np.zeros((2, 3), np.uint8), header, "webp")
