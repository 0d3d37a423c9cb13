from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tardal_ros.errors import RigError
from tardal_ros.training.comparison_config import load_comparison

SHIPPED = Path(__file__).resolve().parents[2] / "config/train/comparison.yaml"


def written(folder: Path, **changes: object) -> Path:
    path = folder / "comparison.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | changes))
    return path


def test_the_shipped_rows_differ_in_what_they_look_at_and_in_nothing_else():
    comparison = load_comparison(SHIPPED)
    rows = comparison.rows
    assert list(rows)[:4] == ["visible", "infrared", "stack", "laplacian"] and rows["stack"].channels == 4
    assert {rows[name].fuser for name in rows} == {"visible", "laplacian", "tardal"}
    same = {(row.train, row.test, row.epochs, row.seed, row.image_size, row.hsv, row.start) for row in rows.values()}
    assert len(same) == 1 and not rows["visible"].hsv
    assert not set(rows["visible"].train.plan().scenes()) & set(rows["visible"].validation.plan().scenes())
    assert (comparison.folds.count, comparison.folds.steps) == (3, 300)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"row": []}, "there is no key row"),
        ({"rows": []}, "rows is .*at least 1 item"),
        ({"rows": [{"name": "a", "inputs": "mixed"}]}, r"rows\.0\.inputs is 'mixed': input should be 'fused'"),
        ({"rows": [{"name": "a/b", "inputs": "stack"}]}, r"rows\.0\.name is 'a/b'"),
        ({"rows": [{"name": "a", "inputs": "fused"}]}, "must have a fuser"),
        ({"rows": [{"name": "a", "inputs": "visible", "fuser": "tardal"}]}, "must have a fuser if"),
        ({"rows": [{"name": "a", "inputs": "stack", "seed": 1}]}, r"no key rows\.0\.seed"),
        ({"rows": [{"name": "a", "inputs": "stack"}] * 2}, "same name"),
        ({"folds": {"count": 1}}, r"folds\.count is 1: input should be greater"),
        ({"folds": {"counts": 3}}, r"no key folds\.counts"),
        ({"detector": 3}, "detector is 3: input should be an object"),
        ({"detector": {"inputs": "fused"}}, "rows have those"),
        ({"detector": {}}, "key model is missing"),
    ],
)
def test_a_wrong_value_of_a_comparison_is_named(tmp_path, changes, sentence):
    path = written(tmp_path, **changes)
    with pytest.raises(RigError, match=sentence) as raised:
        load_comparison(path)
    assert str(path) in str(raised.value)
