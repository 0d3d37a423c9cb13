"""Train and test share nothing that could be learnt by heart: no table entry, no seed, no texture."""

from __future__ import annotations

from dataclasses import fields
from itertools import product

import numpy as np
import pytest

from tardal_ros.simulation import SPLITS
from tardal_ros.simulation.climate import climate_of
from tardal_ros.simulation.drive import VEHICLE, Drive
from tardal_ros.simulation.skin import Skin
from tardal_ros.simulation.styles import STYLES, Styles
from tardal_ros.simulation.world import World

TRAIN, TEST = STYLES
WORLDS = ((0, "day"), (1, "night"))


@pytest.mark.parametrize("table", [each.name for each in fields(Styles)])
def test_tables_of_the_splits_are_disjoint(table: str) -> None:
    ours, theirs = getattr(TRAIN, table), getattr(TEST, table)
    assert ours and theirs
    assert len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs)
    assert not set(ours) & set(theirs)
    if isinstance(ours[0], tuple) and type(ours[0]) is tuple:
        # Colours that nobody can tell apart would be the same one.
        assert min(np.abs(np.subtract(one, other)).max() for one, other in product(ours, theirs)) > 0.015


def test_words_and_letters_of_the_splits_are_disjoint() -> None:
    for table in ("shops", "adverts", "lines", "letters"):
        words = [set(" ".join(getattr(styles, table)).split()) for styles in STYLES]
        assert not words[0] & words[1]
    assert not set("".join(TRAIN.letters)) & set("".join(TEST.letters))
    boards = [{word for board in styles.signs for word in board.words} for styles in STYLES]
    assert not boards[0] & boards[1]


def substance(seed: int, condition: str, split: int) -> list[Skin]:
    """All skins of a world at two moments, but for shadows and light, which have no texture."""
    rng = np.random.default_rng([seed, split])
    world = World(rng, climate_of(condition, seed), split, Drive.choose(rng, VEHICLE), 1.0)
    skins = dict.fromkeys(skin for time in (0.0, 4.0) for skin in world.stage(time).skins)
    return [skin for skin in skins if skin.opaque or skin.heat[..., 1].any()]


def test_no_texture_of_one_split_is_in_a_world_of_the_other() -> None:
    shown: list[tuple[set[bytes], set[bytes]]] = []
    for split in range(len(SPLITS)):
        skins = [skin for seed, condition in WORLDS for skin in substance(seed, condition, split)]
        assert len(skins) > 100 * len(WORLDS)
        shown.append(({skin.colour.tobytes() for skin in skins}, {skin.heat.tobytes() for skin in skins}))
    (colours, heats), (other_colours, other_heats) = shown
    assert not colours & other_colours
    assert not heats & other_heats
