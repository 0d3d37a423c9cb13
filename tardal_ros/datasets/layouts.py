"""How the public data sets lie on disk as people download them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tardal_ros.capture.folder import SUFFIXES, natural_key
from tardal_ros.errors import RigError

M3FD_CLASSES = ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")
"""In the order of the published labels."""

_MSRS_CLASSES = ("person", "bicycle", "car")
_TAKUMI_CLASSES = ("bike", "car", "car_stop", "color_cone", "person")

_SPECTRA = {
    "infrared": re.compile(r"(?<![a-z])(ir|lwir|fir|thermal|infrared)(?![a-z])", re.IGNORECASE),
    "visible": re.compile(r"(?<![a-z])(vi|vis|visual|visible|rgb)(?![a-z])", re.IGNORECASE),
}


@dataclass(frozen=True)
class Layout:
    """Where things are below the root of a data set.

    Attributes:
        name: The data set; one that is published in several forms has several layouts of its name.
        infrared: Folder of the infrared pictures; `{part}` stands for train, test and the like. Empty where the two
            spectra lie side by side, told apart by a word in their names.
        visible: Folder of the visible pictures, which are called the same, extension aside.
        labels: Folder of the labels; empty where there are none.
        suffix: What labels are: `.txt` for YOLO, `.xml` for Pascal VOC, `.json` for our own.
        classes: The class names in the order of their numbers; none where `classes.txt` or the label itself tells them.
        needs: What else tells this layout from others.
        scene: Pattern of how the names of pictures of one scene begin; empty where each is a scene of its own.
    """

    name: str
    infrared: str = ""
    visible: str = ""
    labels: str = ""
    suffix: str = ".txt"
    classes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    scene: str = ""

    @property
    def in_parts(self) -> bool:
        """Whether the parts are folders."""
        return "{part}" in self.infrared

    def folders(self, part: str) -> tuple[str, ...]:
        """What must be there for this to be the layout."""
        named = (self.infrared, self.visible, self.labels, *self.needs)
        return tuple(folder.format(part=part) for folder in named if folder)


# Those that ask for more come before those that ask for less. Those behind `folder` are taken by name only: the numbers
# in their labels could mean anything.
LAYOUTS = (
    Layout("folder", "ir", "vi", "labels", needs=("classes.txt",)),
    # M3FD_Detection.zip, the form that TarDAL trains on, and M3FD_Fusion.zip, whose 300 pairs have no labels.
    Layout("m3fd", "Ir", "Vis", "Annotation", ".xml", M3FD_CLASSES),
    Layout("m3fd", "ir", "vi", "labels", classes=M3FD_CLASSES, needs=("meta",)),
    Layout("m3fd", "Ir", "Vis"),
    Layout("llvip", "infrared/{part}", "visible/{part}", "Annotations", ".xml", ("person",), scene=r"\d\d"),
    Layout("llvip", "infrared/{part}", "visible/{part}", scene=r"\d\d"),
    Layout("msrs", "{part}/ir", "{part}/vi", "{part}/labels", classes=_MSRS_CLASSES),
    Layout("msrs", "{part}/ir", "{part}/vi"),
    # Its infrared is cut to what both cameras see, and so is crop_HR_visible, at the size of the visible camera.
    Layout("roadscene", "cropinfrared", "crop_LR_visible"),
    Layout("roadscene", "infrared", "visible"),
    # Takumi et al. 2017, ir_det_dataset.zip: the pictures as taken do not lie on each other, the converted ones do.
    Layout(
        "multispectral", "ConvertedImages/fir", "ConvertedImages/rgb", "Annotations_ConvertedSummarized", ".xml",
        _TAKUMI_CLASSES,
    ),
    # Its MASK is 255 where the visible image is to show, which is not the mask of targets.
    Layout("dgfusion", "{part}/Ir", "{part}/Vis"),
    Layout("dgfusion", "Ir", "Vis"),
    Layout("folder", "ir", "vi", "labels"),
    Layout("m3fd", "ir", "vi", "labels", classes=M3FD_CLASSES),
    Layout("msrs", "ir", "vi", "labels", classes=_MSRS_CLASSES),  # its folder `detection`, 80 pairs
    Layout("multispectral", "ir", "vi", "labels", classes=_TAKUMI_CLASSES),
    Layout("folder", "ir", "vi"),
    Layout("msrs", "ir", "vi"),
    Layout("roadscene", "ir", "vi"),
    Layout("tno", "ir", "vi"),
    # TNO_Image_Fusion_Dataset: a folder for each scene, with pictures like IR_meting003_g.bmp and VIS_meting003_r.bmp.
    Layout("tno"),
)  # fmt: skip

NAMES = tuple(dict.fromkeys(layout.name for layout in LAYOUTS))

_PARTS = ("train", "val", "test", "pred")


def parts_of(root: Path, layout: Layout) -> tuple[str, ...]:
    """The parts of a data set that are folders; one without a name where they are not, and none in another layout."""
    if not layout.infrared:
        return ("",) if any(True for _ in side_by_side(root)) else ()
    asked = _PARTS if layout.in_parts else ("",)
    return tuple(part for part in asked if all((root / folder).exists() for folder in layout.folders(part)))


def find_layout(root: Path, name: str = "auto") -> Layout:
    """The layout of a data set.

    Args:
        root: Its folder.
        name: One of `NAMES`, or `auto` to try them all.

    Raises:
        RigError: There is no such folder or name, or the folder has another layout.
    """
    if name not in ("auto", *NAMES):
        raise RigError(f"There is no layout '{name}': choose auto or one of {', '.join(NAMES)}.")
    if not root.is_dir():
        raise RigError(f"There is no folder {root}: give the root of a data set.")
    tried = [layout for layout in LAYOUTS if name in ("auto", layout.name)]
    for layout in tried:
        if parts_of(root, layout):
            return layout
    first = dict.fromkeys(" + ".join(layout.folders("train")) for layout in tried if layout.infrared)
    raise RigError(
        f"{root} holds no pictures in the layout {name}, which is one of {'; '.join(first)}: give the root of the data"
        " set, or bring it into the form ir/, vi/, labels/, classes.txt."
    )


def pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their names without extension, in natural order."""
    found = {path.stem: path for path in sorted(folder.glob("*")) if _is_picture(path)}
    return {name: found[name] for name in sorted(found, key=natural_key)}


def side_by_side(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Pairs that lie in one folder: name, infrared, visible.

    They are called the same but for the word that tells the spectrum, or are the only two of their folder.
    """
    folders: dict[Path, dict[str, dict[str, Path]]] = defaultdict(lambda: defaultdict(dict))
    for path in sorted(filter(_is_picture, root.rglob("*"))):
        for spectrum, word in _SPECTRA.items():
            if word.search(path.stem):
                folders[path.parent][spectrum][word.sub("", path.stem).strip("_- ")] = path
                break
    for folder, spectra in sorted(folders.items()):
        infrared, visible = spectra["infrared"], spectra["visible"]
        place = folder.relative_to(root).as_posix().removeprefix(".")
        if len(infrared) == len(visible) == 1:
            yield place or folder.name, next(iter(infrared.values())), next(iter(visible.values()))
        else:
            for rest in sorted(infrared.keys() & visible.keys(), key=natural_key):
                yield f"{place}/{rest}".strip("/"), infrared[rest], visible[rest]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
