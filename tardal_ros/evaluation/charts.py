"""Small charts as inline SVG for pages: crisp at any size, in the page's own colours, some kilobytes each.

What belongs to a series has the class `c0` to `c7` and takes its colour from the page, so that it fits its theme.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from tardal_ros.types import Array

COLOURS = 8
"""Series that look different."""

_MOST_POINTS = 400
_WHISKER = 1.5  # Tukey: whiskers reach the last value within so many interquartile ranges
_LETTER = 5.6  # pixels that a letter takes on average
_MOST_LETTERS = 16
_TICKS = 5


@dataclass(frozen=True)
class Line:
    """One series of a line chart.

    Attributes:
        name: What it is called.
        colour: Its number among the page's colours.
        x: Where its points are.
        y: Their values; None or NaN makes a gap.
    """

    name: str
    colour: int
    x: Sequence[float]
    y: Sequence[float | None]


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        label: What is on it, with its unit.
        low: Where it begins; at the least value if None.
        high: Where it ends; at the greatest value if None.
        log: Whether it is logarithmic.
    """

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False


def boxplot(series: Mapping[str, Sequence[float | None]], colours: Mapping[str, int], label: str) -> str:
    """Draws how values are spread: median, quartiles, Tukey's whiskers, and a dot for the mean.

    Args:
        series: Values by name, one row each; None where there is none.
        colours: The number of each name's colour.
        label: What a reader who cannot see the chart is told that it is.

    Returns:
        An `<svg>` element; empty if there is no value at all.
    """
    rows = {name: values for name, each in series.items() if (values := _finite(each)).size}
    if not rows:
        return ""
    spreads = {name: _spread(values) for name, values in rows.items()}
    low, high = min(each[0] for each in spreads.values()), max(each[-1] for each in spreads.values())
    width, row = 340.0, 19.0
    left = 10 + _LETTER * min(max(map(len, rows)), _MOST_LETTERS)
    bottom = 4 + row * len(rows)
    scale = _Scale(low, high, left, width - 12)
    parts = [
        f'<path class="grid" d="M{scale(tick):.1f} 2V{bottom:.0f}"/>{_text(scale(tick), bottom + 13, _short(tick))}'
        for tick in scale.ticks()
    ]
    for index, (name, spread) in enumerate(spreads.items()):
        y = 4 + row * (index + 0.5)
        least, lower, median, upper, most = (scale(value) for value in spread)
        mean = scale(float(np.clip(rows[name].mean(), low, high)))
        parts.append(
            f"{_text(left - 6, y + 4, _cut(name), 'end')}"
            f'<g class="c{colours[name] % COLOURS}"><title>{escape(_told(name, spread))}</title>'
            f'<path class="line" d="M{least:.1f} {y:.1f}H{lower:.1f}M{upper:.1f} {y:.1f}H{most:.1f}"/>'
            f'<rect class="box" x="{lower:.1f}" y="{y - 6:.1f}" width="{max(upper - lower, 1):.1f}" height="12"/>'
            f'<path class="median" d="M{median:.1f} {y - 6:.1f}v12"/>'
            f'<circle class="dot" cx="{mean:.1f}" cy="{y:.1f}" r="2.2"/></g>'
        )
    return _svg(width, bottom + 18, label, parts)


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, label: str, size: tuple[int, int] = (340, 230)) -> str:
    """Draws lines.

    Args:
        lines: What to draw; long ones are thinned out so that their extremes stay.
        x: The axis to the right.
        y: The axis upwards.
        label: What a reader who cannot see the chart is told that it is.
        size: Width and height of the drawing, which grows and shrinks with the page.

    Returns:
        An `<svg>` element; empty if there is no point at all.
    """
    points = [_points(line, x, y) for line in lines]
    some = np.concatenate([each[:, ~np.isnan(each[1])] for each in points], axis=1) if points else np.zeros((2, 0))
    if not some.size:
        return ""
    width, height = size
    across = _scale_of(x, some[0], 44.0, width - 10.0)
    up = _scale_of(y, some[1], height - 36.0, 8.0)
    parts = [
        f'<path class="grid" d="M{across(tick):.1f} 8V{height - 36}"/>{_text(across(tick), height - 22, _short(tick))}'
        for tick in across.ticks()
    ]
    parts += [
        f'<path class="grid" d="M44 {up(tick):.1f}H{width - 10}"/>{_text(39, up(tick) + 4, _short(tick), "end")}'
        for tick in up.ticks()
    ]
    parts.append(_text((width + 34) / 2, height - 6, x.label))
    middle = (height - 28) / 2
    parts.append(f'<g transform="rotate(-90 10 {middle:.0f})">{_text(10, middle, y.label)}</g>')
    for line, each in zip(lines, points, strict=True):
        title = f"<title>{escape(line.name)}</title>"
        parts.append(f'<path class="line c{line.colour % COLOURS}" d="{_path(each, across, up)}">{title}</path>')
    return _svg(width, height, label, parts)


class _Scale:
    """Maps values onto pixels."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool = False) -> None:
        if low == high:
            low, high = (low / 2, high * 2) if log else (low - (abs(low) or 1) / 20, high + (abs(high) or 1) / 20)
        self._low, self._high, self._log = low, high, log
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        if self._log:
            share = math.log(max(value, self._low) / self._low) / math.log(self._high / self._low)
        else:
            share = (value - self._low) / (self._high - self._low)
        return self._start + (self._end - self._start) * min(max(share, 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Round values on the scale."""
        if self._log:
            exponents = range(math.ceil(math.log10(self._low) - 1e-9), math.floor(math.log10(self._high) + 1e-9) + 1)
            if len(exponents) > 1:
                return [10.0**exponent for exponent in exponents]
        rough = (self._high - self._low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first, last = math.ceil(self._low / step - 1e-9), math.floor(self._high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def _scale_of(axis: Axis, values: NDArray[np.float64], start: float, end: float) -> _Scale:
    low = float(values.min()) if axis.low is None else axis.low
    high = float(values.max()) if axis.high is None else axis.high
    return _Scale(low, max(high, low), start, end, axis.log)


def _points(line: Line, x: Axis, y: Axis) -> NDArray[np.float64]:
    """(2, N) points of a line, thinned out; what the axis to the right does not have becomes a gap."""
    count = min(len(line.x), len(line.y))
    points = np.array([line.x[:count], line.y[:count]], np.float64).reshape(2, -1)
    for row, axis in enumerate((x, y)):
        if axis.log:
            points[1, ~(points[row] > 0)] = np.nan
    points[1, ~np.isfinite(points).all(axis=0)] = np.nan
    low, high = (-math.inf if x.low is None else x.low), (math.inf if x.high is None else x.high)
    points[1, (points[0] < low) | (points[0] > high)] = np.nan
    points[0] = np.nan_to_num(points[0])
    if count <= _MOST_POINTS:
        return points
    kept = set()
    for part in np.array_split(np.arange(count), _MOST_POINTS // 2):
        known = part[~np.isnan(points[1, part])]
        of = points[1, known]
        kept |= {int(known[of.argmin()]), int(known[of.argmax()])} if known.size else {int(part[0])}
    return points[:, sorted(kept)]


def _path(points: NDArray[np.float64], across: _Scale, up: _Scale) -> str:
    return "".join(_steps(points, across, up))


def _steps(points: NDArray[np.float64], across: _Scale, up: _Scale) -> Iterator[str]:
    pen = "M"
    for x, y in points.T.tolist():
        if math.isnan(y):
            pen = "M"
            continue
        yield f"{pen}{across(x):.1f} {up(y):.1f}"
        pen = "L"


def _finite(values: Sequence[float | None]) -> NDArray[np.float64]:
    array = np.array(values, np.float64)
    return array[np.isfinite(array)]


def _spread(values: Array) -> tuple[float, ...]:
    """Whisker, quartile, median, quartile, whisker."""
    lower, median, upper = (float(value) for value in np.percentile(values, (25, 50, 75)))
    reach = _WHISKER * (upper - lower)
    inside = values[(values >= lower - reach) & (values <= upper + reach)]
    return float(inside.min()), lower, median, upper, float(inside.max())


def _told(name: str, spread: Sequence[float]) -> str:
    _, lower, median, upper, _ = spread
    return f"{name}: median {median:.4g}, middle half {lower:.4g} to {upper:.4g}"


def _cut(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"


def _short(value: float) -> str:
    return f"{value:g}"


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    body = "".join(parts)
    box = f"0 0 {width:.0f} {height:.0f}"
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{escape(label)}">{body}</svg>'
