"""The colours of the verdicts differ to everybody: also to the colour-blind, on light, on dark and on paper."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import sigtrace

STYLE = (Path(sigtrace.__file__).parent / "output" / "html" / "colors.css").read_text(encoding="utf-8")
VERDICTS = ("killed", "asked", "oom", "fault", "self", "unknown")

# What is seen of linear RGB (Machado, Oliveira and Fernandes, 2009, severity 1.0).
EYES = {
    "all colours": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1, 1.089])


def palettes() -> dict[str, dict[str, str]]:
    light, dark, paper = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return {
        name: dict(re.findall(r"--(\w+): (#\w+)", text))
        for name, text in (("light", light), ("dark", dark), ("paper", paper))
    }


def seen(color: str, eye: str) -> np.ndarray:
    """Return a colour in CIE L*a*b*, in which distances are about those that are seen."""
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = _XYZ @ np.clip(np.array(EYES[eye]) @ linear, 0, 1) / _WHITE
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("page", ["light", "dark", "paper"])
def test_two_verdicts_never_look_alike(page: str, eye: str) -> None:
    colors = palettes()[page]
    for one, other in combinations(VERDICTS, 2):
        assert np.linalg.norm(seen(colors[one], eye) - seen(colors[other], eye)) > 20, (one, other)
