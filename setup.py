"""`pip install .`: the trainer and the offline tools, for machines without ROS. colcon builds with CMakeLists.txt."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()

CLUSTER = ["distributed"]
DETECT = ["ultralytics>=8.4.190", "torchvision", "onnxruntime"]
EXPORT = ["onnx", "onnxruntime", "onnxslim"]
REPORT = ["jinja2", "matplotlib", "pycocotools", "tqdm"]
SIMULATION = ["numba"]
TRACK = ["trackers>=2.6"]
TRAIN = [
    "torch>=2.1",
    "safetensors",
    "kornia>=0.8",
    "lightning-fabric>=2.4",
    "tensorboard",
    "tqdm",
    "pydantic>=2",
]


def data_files() -> list[tuple[str, list[str]]]:
    """Returns what is installed to share/tardal_ros, as colcon installs it."""
    folders = {"share/tardal_ros": [ROOT / "package.xml"]}
    for path in (path for name in ("config", "launch", "weights") for path in (ROOT / name).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            folders.setdefault(f"share/tardal_ros/{path.parent.relative_to(ROOT)}", []).append(path)
    return [(folder, [str(file.relative_to(ROOT)) for file in files]) for folder, files in folders.items()]


setup(
    name=MANIFEST.findtext("name"),
    version=MANIFEST.findtext("version"),
    description=" ".join(MANIFEST.findtext("description").split()),
    license=MANIFEST.findtext("license"),
    python_requires=">=3.10",
    packages=find_packages(include=["tardal_ros", "tardal_ros.*"]),
    package_data={"tardal_ros": ["py.typed", "**/*.jinja", "**/*.html", "**/*.npy"]},
    data_files=data_files(),
    install_requires=["numpy>=1.21", "opencv-python>=4.5.4,<5", "PyYAML", "mcap", "rosbags"],
    extras_require={
        "cluster": CLUSTER,
        "train": TRAIN,
        "detect": DETECT,
        "track": TRACK,
        "export": EXPORT,
        "report": REPORT,
        "simulation": SIMULATION,
    },
)
