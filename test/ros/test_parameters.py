import math
from dataclasses import dataclass, replace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")

from rcl_interfaces.msg import ParameterType
from rclpy.node import Node
from rclpy.parameter import Parameter

from tardal_ros.errors import RigError
from tardal_ros.ros.parameters import declare, parameter


@dataclass(frozen=True)
class FuserParameters:
    fuser: str = parameter("laplacian", "How images are fused.", choices=("laplacian", "tardal"), read_only=True)
    scale: float = parameter(1.0, "Fraction of the resolution.", minimum=0.1, maximum=1.0)
    depth: int = parameter(3, "Queue depth.", minimum=1)
    debug: bool = parameter(False, "Whether to draw boxes.")
    low: float = parameter(1.0, "Lower percentile.", maximum=100.0)
    high: float = parameter(99.0, "Upper percentile.")
    classes: tuple[str, ...] = parameter((), "Classes to keep, none for all.")
    gains: tuple[float, ...] = parameter((1.0, 2.0), "Gain of each level.", minimum=0.0)

    def __post_init__(self):
        if self.low >= self.high:
            raise ValueError(f"Parameter 'low' is {self.low}, but must be below 'high' ({self.high}).")


@pytest.fixture
def make_node(ros_context):
    nodes = []

    def make(*arguments):
        command_line = ["--ros-args", *(word for pair in arguments for word in pair)] if arguments else []
        nodes.append(Node("fusion", namespace="rig", context=ros_context, cli_args=command_line))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()


def given(text):
    """Command-line words that set a parameter."""
    return "-p", text


def change(node, **values):
    return node.set_parameters_atomically([Parameter(name, value=value) for name, value in values.items()])


def test_defaults_are_declared_with_their_types_and_limits(make_node):
    node = make_node()

    assert declare(node, FuserParameters).values == FuserParameters()
    scale = node.describe_parameter("scale")
    assert (scale.type, scale.description) == (ParameterType.PARAMETER_DOUBLE, "Fraction of the resolution.")
    assert (scale.floating_point_range[0].from_value, scale.floating_point_range[0].to_value) == (0.1, 1.0)
    fuser = node.describe_parameter("fuser")
    assert fuser.read_only and "'laplacian', 'tardal'" in fuser.additional_constraints
    assert node.describe_parameter("depth").additional_constraints == "Must be an integer of at least 1."


def test_values_come_from_a_file_and_the_command_line(make_node, tmp_path):
    file = tmp_path / "fusion.yaml"
    file.write_text("/rig/fusion:\n  ros__parameters:\n    scale: 1\n    gains: [1, 3]\n    classes: [person, car]\n")
    values = declare(make_node(("--params-file", str(file)), given("depth:=5")), FuserParameters).values

    assert (values.scale, values.gains, values.classes, values.depth) == (1.0, (1.0, 3.0), ("person", "car"), 5)
    assert isinstance(values.scale, float) and all(isinstance(gain, float) for gain in values.gains)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scale:=2.0", "/rig/fusion: Parameter 'scale' is 2.0, but must be a number between 0.1 and 1.0."),
        ("scale:=.nan", "Parameter 'scale' is nan"),
        ("scale:=fast", "Parameter 'scale' is 'fast', but must be a number"),
        ("scale:=true", "Parameter 'scale' is True"),
        ("depth:=0", "Parameter 'depth' is 0, but must be an integer of at least 1."),
        ("depth:=2.5", "Parameter 'depth' is 2.5"),
        ("debug:=1", "Parameter 'debug' is 1, but must be true or false."),
        ("fuser:=dgfusion", "but must be a string out of 'laplacian', 'tardal'."),
        ("fuser:=5", "Parameter 'fuser' is 5"),
        ("classes:=person", "but must be a list of strings."),
        ("gains:=[1.0, -1.0]", "but must be a list of numbers of at least 0.0."),
        ("low:=101.5", "but must be a number of at most 100.0."),
        ("high:=0.5", "/rig/fusion: Parameter 'low' is 1.0, but must be below 'high' (0.5)."),
    ],
)
def test_a_bad_value_at_the_start_is_refused_with_its_reason(make_node, text, words):
    with pytest.raises(RigError) as caught:
        declare(make_node(given(text)), FuserParameters)

    assert words in str(caught.value)


def test_changes_replace_the_values_and_are_told(make_node):
    node, told = make_node(), []
    parameters = declare(node, FuserParameters, lambda old, new: told.append((old, new)))
    before = parameters.values

    assert change(node, scale=0.5, classes=["person"]).successful
    assert parameters.values == replace(before, scale=0.5, classes=("person",))
    assert told == [(before, parameters.values)]
    assert change(node, scale=1).successful and parameters.values.scale == 1.0
    assert change(node, scale=1).successful and len(told) == 2
    assert before == FuserParameters()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scale": 5.0}, "scale"),
        ({"scale": math.nan}, "scale"),
        ({"depth": 0}, "must be an integer of at least 1"),
        ({"debug": "yes"}, "must be true or false"),
        ({"fuser": "tardal"}, "read-only"),
        ({"low": 99.5}, "must be below 'high'"),
        ({"depth": None}, "'depth' is None"),
        ({"debug": True, "depth": -1}, "'depth' is -1"),
    ],
)
def test_a_bad_change_is_refused_with_its_reason_and_changes_nothing(make_node, values, words):
    node, told = make_node(), []
    parameters = declare(node, FuserParameters, lambda old, new: told.append(new))

    result = change(node, **values)

    assert not result.successful and words in result.reason
    assert parameters.values == FuserParameters() and not told
    assert not node.get_parameter("debug").value


def test_values_that_belong_together_change_together(make_node):
    node = make_node()
    parameters = declare(node, FuserParameters)

    assert change(node, low=99.5, high=99.9).successful
    assert (parameters.values.low, parameters.values.high) == (99.5, 99.9)


def test_what_the_node_cannot_follow_is_refused_and_undone(make_node):
    def refuse(old, new):
        raise RuntimeError("the model is still loading")

    node = make_node()
    parameters = declare(node, FuserParameters, refuse)

    result = change(node, scale=0.5)

    assert not result.successful and result.reason == "the model is still loading"
    assert parameters.values == FuserParameters() and node.get_parameter("scale").value == 1.0


def test_other_parameters_of_the_node_are_left_alone(make_node):
    node = make_node()
    declare(node, FuserParameters)

    assert change(node, use_sim_time=True).successful
