import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("rosbags", reason="needs the rosbags library")

import rclpy
from mcap.reader import make_reader
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from tardal_ros.bags.node import RecorderNode
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import latched, sensor_data


def counts(path):
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
        return {
            summary.channels[channel].topic: count
            for channel, count in summary.statistics.channel_message_counts.items()
        }


def record(context, path, topics):
    overrides = [Parameter("path", value=str(path)), Parameter("topics", value=topics)]
    node = RecorderNode(context=context, parameter_overrides=overrides)
    process = Process([node], context)
    process.start()
    return node, process


def test_topics_are_recorded_as_they_appear_latched_ones_too(ros_context, tmp_path, wait_until):
    path = tmp_path / "rig.mcap"
    node, process = record(ros_context, path, ["image", "info"])
    peer = rclpy.create_node("peer", context=ros_context)
    images = peer.create_publisher(Image, "image", sensor_data())
    peer.create_publisher(CameraInfo, "info", latched()).publish(CameraInfo(width=7))

    def written():
        images.publish(Image(width=2, height=2, encoding="mono8", step=2, data=bytes(4)))
        return node.meter.processed >= 5

    wait_until(written)
    assert process.end() == []
    found = counts(path)
    assert found["/info"] == 1
    assert found["/image"] >= 4
    assert path.with_name("metadata.yaml").is_file()


def test_what_nobody_publishes_is_named(ros_context, tmp_path, monkeypatch, wait_until):
    monkeypatch.setattr("tardal_ros.bags.node.PATIENCE", 0.0)
    node, process = record(ros_context, tmp_path / "rig.mcap", ["image"])
    wait_until(lambda: node.active)
    assert node.waits() == ["waiting for /image: nobody publishes it"]
    assert process.end() == []


def test_a_bag_that_cannot_be_written_is_named_and_the_node_lives(ros_context, tmp_path, wait_until):
    (tmp_path / "file").write_text("not a folder")
    node, process = record(ros_context, tmp_path / "file" / "rig.mcap", ["image"])
    wait_until(lambda: node.failure)
    assert "rig.mcap" in node.failure
    assert process.end() == []
