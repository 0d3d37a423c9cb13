"""The programs as real processes: over real DDS, without a network, and ended by signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from vision_msgs.msg import Detection2DArray

from tardal_ros.ros.qos import results

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES = {
    "capture": "tardal_ros.capture.node",
    "registration": "tardal_ros.registration.node",
    "fusion": "tardal_ros.fusion.node",
    "detection": "tardal_ros.detection.node",
    "recorder": "tardal_ros.bags.node",
    "rig": "tardal_ros.rig",
}
# Python's own start and end, on a busy machine, beside the two seconds that the rig promises.
SLACK = 1.5


def line(program, arguments=(), **parameters):
    """The command line of a program; keyword `fusion__scale` sets parameter `scale` of the node `fusion`."""
    settings = [part for key, value in parameters.items() for part in ("-p", f"{key.replace('__', ':')}:={value}")]
    code = f"import sys; from {MODULES[program]} import main; sys.exit(main())"
    return [sys.executable, "-c", code, *arguments, "--ros-args", *settings]


class Program:
    """A running program; its output is kept."""

    def __init__(self, arguments, domain_id, log):
        self.log = log
        path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain_id), "PYTHONPATH": path}
        with log.open("w") as file:
            self.process = subprocess.Popen(
                arguments, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    @property
    def running(self):
        return self.process.poll() is None

    def end(self, number=signal.SIGINT):
        """Sends a signal; returns the exit code and the seconds until the process was gone."""
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30)
        return code, time.monotonic() - begun


@pytest.fixture
def start(domain_id, tmp_path):
    """Starts programs; ends whatever is left of them."""
    programs = []

    def start_one(program, **parameters):
        log = tmp_path / f"{program}-{len(programs)}.log"
        programs.append(Program(line(program, **parameters), domain_id, log))
        return programs[-1]

    yield start_one
    for program in programs:
        if program.running:
            program.process.kill()
            program.process.wait(10)


@pytest.fixture
def listen(ros_context):
    """Subscribes in a node of the test; `listen(type, topic)` gives the list that fills up."""
    node = rclpy.create_node("listener", context=ros_context)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(node)

    def subscribe(message_type, topic):
        messages = []
        node.create_subscription(message_type, topic, messages.append, results())
        return messages

    subscribe.spin = lambda: executor.spin_once(timeout_sec=0.05)
    return subscribe


@pytest.fixture
def folders(tmp_path):
    """Folders of four small pairs."""
    random = np.random.default_rng(1)
    made = tmp_path / "vi", tmp_path / "ir"
    for path, channels in zip(made, (3, 1), strict=True):
        path.mkdir()
        for index in range(4):
            coarse = random.uniform(0, 255, (6, 8, channels)).astype(np.uint8)
            cv2.imwrite(str(path / f"{index}.png"), cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC))
    return made


def folder_source(folders, prefix=""):
    return {
        f"{prefix}source": "folder",
        f"{prefix}visible": folders[0],
        f"{prefix}infrared": folders[1],
        f"{prefix}loop": "true",
    }


def test_four_processes_join_over_dds_and_end_cleanly(start, listen, folders, wait_until):
    programs = [start("detection"), start("fusion"), start("registration"), start("capture", **folder_source(folders))]
    detections = listen(Detection2DArray, "/detection/detections")

    def arrived():
        listen.spin()
        assert all(program.running for program in programs), "\n".join(program.output for program in programs)
        return len(detections) >= 5

    wait_until(arrived, timeout=60, what="detections through four processes")
    stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in detections]
    assert stamps == sorted(set(stamps))
    assert detections[0].header.frame_id
    for program in programs:
        code, seconds = program.end()
        assert code == 0, program.output
        assert seconds < 2 + SLACK


def test_rig_runs_and_records_with_no_network_but_loopback(start, listen, folders, tmp_path, wait_until):
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a user make a network namespace")
    bag = tmp_path / "bag" / "rig.mcap"
    script = (
        "import fcntl, socket, struct, sys\n"
        # What `ip link set lo up` does: IFF_UP | IFF_RUNNING by SIOCSIFFLAGS.
        "with socket.socket() as s: fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 0x41))\n"
        "from tardal_ros.demo import Settings, run_demo\n"
        "from pathlib import Path\n"
        f"inputs = Path({str(folders[0])!r}), Path({str(folders[1])!r})\n"
        f"settings = Settings(*inputs, 'laplacian', '', 'hog', 'day', 1.0, 4.0, 5.0, Path({str(bag.parent)!r}))\n"
        f"sys.exit(run_demo(settings))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert bag.stat().st_size > 0
    assert (bag.parent / "report.html").is_file()


def weights_of_a_large_network(path):
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    from tardal_ros.fusion.tardal import Generator

    torch.manual_seed(0)
    torch.save({"use_eval": True, **Generator().state_dict()}, path)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_rig_within_two_seconds_while_a_frame_is_in_the_network(
    start, listen, tmp_path, wait_until, number
):
    weights = weights_of_a_large_network(tmp_path / "generator.pt")
    made = tmp_path / "vi", tmp_path / "ir"
    for path in made:
        path.mkdir()
        cv2.imwrite(str(path / "0.png"), np.full((1536, 2048), 90, np.uint8))
    diagnostics = listen(DiagnosticArray, "/diagnostics")
    program = start(
        "rig",
        **folder_source(made, "capture__"),
        fusion__fuser="tardal",
        fusion__weights=weights,
        fusion__device="cpu",
        fusion__scale=1.0,
    )

    def registered():
        listen.spin()
        assert program.running, program.output
        values = {v.key: v.value for m in diagnostics for s in m.status if "registration" in s.name for v in s.values}
        return int(values.get("processed", "0")) >= 1

    wait_until(registered, timeout=60, what="a pair handed to the network")
    code, seconds = program.end(number)
    assert code == 0, program.output
    assert seconds < 2 + SLACK
    assert "ended with work in progress: fusion" in program.output


def test_signal_ends_the_rig_within_two_seconds_while_a_model_loads(start, listen, folders, tmp_path, wait_until):
    # What never comes to an end of reading: a named pipe that nobody writes to.
    pipe = tmp_path / "rig.yaml"
    os.mkfifo(pipe)
    diagnostics = listen(DiagnosticArray, "/diagnostics")
    program = start("rig", **folder_source(folders, "capture__"), registration__calibration=pipe)

    def loading():
        listen.spin()
        return any(s.message == "configuring" for m in diagnostics for s in m.status if "registration" in s.name)

    wait_until(loading, timeout=60, what="the registration node to load, and to go on with its diagnostics")
    code, seconds = program.end(signal.SIGTERM)
    assert code == 0, program.output
    assert seconds < 2 + SLACK
    assert "registration (configuring)" in program.output


def test_bad_parameter_is_one_sentence_and_exit_code_one(start):
    program = start("fusion", scale=7.0)
    assert program.process.wait(30) == 1
    assert "scale" in program.output
    assert "Traceback" not in program.output


def test_missing_weights_are_named_and_the_rig_lives(start, listen, folders, wait_until):
    diagnostics = listen(DiagnosticArray, "/diagnostics")
    program = start(
        "rig", **folder_source(folders, "capture__"), fusion__fuser="tardal", fusion__weights="/nowhere/tardal.pt"
    )

    def diagnosed():
        listen.spin()
        return any("/nowhere/tardal.pt" in s.message for m in diagnostics for s in m.status if "fusion" in s.name)

    wait_until(diagnosed, timeout=60, what="a diagnosis that names the weights")
    assert program.running
    assert "Traceback" not in program.output
    assert program.end()[0] == 0


def test_composed_rig_takes_frames_from_the_topics_of_other_processes(start, listen, folders, wait_until):
    rig = start("rig", arguments=["--without-capture"])
    camera = start("capture", **folder_source(folders))
    detections = listen(Detection2DArray, "/detection/detections")

    def arrived():
        listen.spin()
        assert rig.running and camera.running, rig.output + camera.output
        return len(detections) >= 3

    wait_until(arrived, timeout=60, what="detections on another process's frames")
    assert rig.end()[0] == 0
