from __future__ import annotations

import pytest

from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.layouts import M3FD_CLASSES, find_layout, parts_of
from tardal_ros.errors import RigError

LABEL = "0 0.5 0.5 0.25 0.5\n"
PNG = ("00000.png", "00001.png")


def texts(folder, content, suffix=".txt", names=("00000", "00001")):
    return {f"{folder}/{name}{suffix}": content for name in names}


def opened(root, **options):
    dataset = open_dataset(root, **options)
    dataset.check()
    return dataset, [sample.name for sample in dataset.samples]


def test_m3fd_as_it_is_downloaded(write, annotation):
    root = write(PNG, "Ir", "Vis", texts=texts("Annotation", annotation("Motorcycle"), ".xml"))
    dataset, names = opened(root)

    assert names == ["00000", "00001"] and dataset.names == M3FD_CLASSES
    assert dataset.load(0).objects.class_ids.tolist() == [4]
    assert find_layout(root).name == "m3fd"


def test_m3fd_as_tardal_trains_on_it(write):
    root = write(PNG, "ir", "vi", "mask", texts=texts("labels", LABEL) | {"meta/val.txt": "00001.png\n"})
    dataset, names = opened(root, part="val")

    assert names == ["00001"] and dataset.names == M3FD_CLASSES
    assert dataset.load(0).target is not None
    assert opened(root)[1] == ["00000", "00001"]


def test_m3fd_for_fusion_has_no_labels(write):
    dataset, names = opened(write(PNG, "Ir", "Vis"), layout="m3fd")

    assert len(names) == 2 and dataset.names == () and dataset.load(0).objects is None


def test_msrs_has_parts(write):
    root = write(["00537D.png"], "test/ir", "test/vi", "test/Segmentation_labels")
    write(["00881N.png", "00882N.png"], "train/ir", "train/vi")

    assert parts_of(root, find_layout(root)) == ("train", "test")
    assert opened(root, part="train")[1] == ["00881N", "00882N"]
    dataset, names = opened(root)
    assert names == ["train/00881N", "train/00882N", "test/00537D"]
    assert [sample.condition for sample in dataset.samples] == ["night", "night", "day"]


def test_msrs_with_boxes_is_told_by_name(write):
    root = write(["1.png"], "ir", "vi", texts={"labels/1.txt": "2 0.5 0.5 0.25 0.5\n"})

    assert opened(root, layout="msrs")[0].names == ("person", "bicycle", "car")
    with pytest.raises(RigError, match=r"classes\.txt is missing: name the classes"):
        open_dataset(root)


@pytest.mark.parametrize("folders", [("cropinfrared", "crop_LR_visible"), ("infrared", "visible"), ("ir", "vi")])
def test_roadscene(write, folders):
    root = write(["FLIR_00006.jpg", "FLIR_00010.jpg"], *folders)

    assert opened(root)[1] == opened(root, layout="roadscene")[1] == ["FLIR_00006", "FLIR_00010"]


def test_llvip_has_scenes_and_one_folder_of_annotations(write, annotation):
    for part, name in (("train", "010001"), ("train", "010002"), ("train", "020001"), ("test", "190001")):
        label = {f"Annotations/{name}.xml": annotation("person")}
        root = write([f"{name}.jpg"], f"infrared/{part}", f"visible/{part}", texts=label)
    dataset, names = opened(root, part="train")

    assert names == ["010001", "010002", "020001"] and dataset.names == ("person",)
    assert [sample.scene for sample in dataset.samples] == ["01", "01", "02"]
    assert opened(root, part="test")[1] == ["190001"]


def test_the_multispectral_set_of_takumi(write, annotation):
    labels = texts("Annotations_ConvertedSummarized", annotation("color_cone"), ".xml", ("00001D",))
    root = write(["00001D.png"], "ConvertedImages/fir", "ConvertedImages/rgb", "ConvertedImages/nir", texts=labels)
    dataset, _ = opened(root)

    assert find_layout(root).name == "multispectral" and dataset.load(0).objects.class_ids.tolist() == [3]


def test_the_dgfusion_benchmark(write):
    root = write(PNG, *(f"{part}/{folder}" for part in ("train", "test") for folder in ("Ir", "Vis", "MASK")))
    dataset, names = opened(root, part="train")

    assert names == ["00000", "00001"] and find_layout(root).name == "dgfusion"
    assert dataset.load(0).target is None  # its MASK is no mask of targets


def test_tno_has_a_folder_for_each_scene(write):
    write(["IR_meting003_g.bmp", "VIS_meting003_r.bmp", "NIR_meting003.bmp"], "Athena_images/2_men")
    root = write(["Kaptein_IR.bmp", "Kaptein_Vis.bmp", "Kaptein_II.bmp"], "Triclobs_images/Kaptein")
    write(["IR1.png", "IR2.png", "VIS1.png", "VIS2.png", "VIS3.png"], "more")
    dataset, names = opened(root)

    assert find_layout(root).name == "tno"
    assert names == ["Athena_images/2_men", "Triclobs_images/Kaptein", "more/1", "more/2"]
    assert dataset.samples[0].infrared.name == "IR_meting003_g.bmp"
    assert dataset.samples[3].visible.name == "VIS2.png"


def test_a_plain_folder(write):
    told = texts("labels", LABEL) | {"classes.txt": "dog\n", "meta/train.txt": "00001.png\n"}
    root = write(PNG, "ir", "vi", "mask", "seen", texts=told)
    dataset, names = opened(root, part="train")
    item = dataset.load(0)

    assert names == ["00001"] and dataset.names == ("dog",) and item.objects.xyxy.tolist() == [[12.0, 6.0, 20.0, 18.0]]
    assert item.target.shape == item.seen.shape == item.infrared.shape == (24, 32)


def test_an_unknown_layout_is_refused(write, tmp_path):
    with pytest.raises(RigError, match="no layout 'coco': choose auto or one of"):
        open_dataset(tmp_path, layout="coco")
    with pytest.raises(RigError, match="There is no folder"):
        open_dataset(tmp_path / "gone")
    with pytest.raises(RigError, match=r"holds no pictures in the layout auto.*Ir \+ Vis \+ Annotation"):
        open_dataset(write(PNG, "left"))
    with pytest.raises(RigError, match="holds no pictures in the layout llvip"):
        open_dataset(write(PNG, "ir", "vi"), layout="llvip")
