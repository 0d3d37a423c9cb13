"""What package.xml, CMakeLists.txt and setup.py say of the package, and whether they agree."""

import ast
import itertools
import re
import subprocess
import sys
from xml.etree import ElementTree

from tardal_ros.commands import COMMANDS


def manifest(repository):
    return ElementTree.parse(repository / "package.xml").getroot()


def programs_of_cmake(repository):
    rules = (repository / "CMakeLists.txt").read_text()
    return dict(re.findall(r"^add_program\((\w+) ([\w.]+)\)", rules, re.MULTILINE))


def test_package_xml_says_what_colcon_and_rosdep_need(repository):
    root = manifest(repository)
    assert root.get("format") == "3"
    assert root.findtext("license") == "Apache-2.0"
    assert (repository / root.find("license").get("file")).read_text().lstrip().startswith("Apache License")
    assert root.findtext("export/build_type") == "ament_cmake"
    assert root.findtext("member_of_group") == "rosidl_interface_packages"


def test_name_and_version_stand_in_package_xml_alone(repository):
    command = [sys.executable, "setup.py", "--name", "--version"]
    said = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout.split()
    root = manifest(repository)
    assert said[-2:] == [root.findtext("name"), root.findtext("version")]
    assert f"project({root.findtext('name')})" in (repository / "CMakeLists.txt").read_text()
    assert root.findtext("version") not in (repository / "setup.py").read_text()


def test_every_interface_is_generated(repository):
    listed = set(re.findall(r"msg/\w+\.msg", (repository / "CMakeLists.txt").read_text()))
    assert listed == {f"msg/{path.name}" for path in (repository / "msg").glob("*.msg")}


def test_every_field_of_an_interface_has_a_comment(repository):
    for path in (repository / "msg").glob("*.msg"):
        lines = path.read_text().splitlines()
        for before, line in itertools.pairwise(lines):
            if line and not line.startswith("#"):
                assert before.startswith("# "), f"{path.name}: {line}"


def test_every_command_is_a_program_too(repository):
    listed = re.search(r"foreach\(_command ([^)]*)\)", (repository / "CMakeLists.txt").read_text())
    assert listed.group(1).split() == list(COMMANDS)


def test_every_program_calls_a_main_that_exists(repository):
    programs = programs_of_cmake(repository)
    assert {"rig", "capture", "registration", "fusion", "detection", "recorder"} <= set(programs)
    for module in programs.values():
        tree = ast.parse((repository / module.replace(".", "/")).with_suffix(".py").read_text())
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        imports = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
        assert "main" in functions + imports, module


def test_init_is_a_docstring_and_extend_path_only(repository):
    docstring, *rest = ast.parse((repository / "tardal_ros/__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert [ast.unparse(line) for line in rest] == [
        "import pkgutil",
        "__path__ = pkgutil.extend_path(__path__, __name__)",
    ]


def test_the_modules_do_not_clash_with_the_interfaces_of_the_same_name(repository):
    rules = re.sub(r"#.*", "", (repository / "CMakeLists.txt").read_text())
    assert "ament_python_install_package" not in rules
    assert not (repository / "tardal_ros/msg").exists()
    assert not (repository / "tardal_ros/msg.py").exists()
    assert rules.index("rosidl_generate_interfaces") < rules.index("install(DIRECTORY tardal_ros/")


def test_stand_ins_hide_from_a_workspace_that_holds_the_checkout(repository):
    # colcon and rosdep look no deeper where they have found a package: this one, at the root.
    assert (repository / "package.xml").is_file()
    names = sorted(path.parent.name for path in (repository / "compat").glob("*/package.xml"))
    assert names == ["message_filters", "vision_msgs"]
