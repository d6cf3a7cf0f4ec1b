"""Paintings put beside their photographs and styles: files in, a row of scores for each out.

Doing nothing keeps the photograph perfectly, and returning the style is perfectly in style; so a row for the
photograph itself and one for the style itself are always there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from torch import Tensor

from ganvas import gallery
from ganvas.errors import BadSetting, UserError
from ganvas.painter import Picture, as_tensor, opened, opened_style, pictures_in
from ganvas.photos import Photo
from ganvas.style import scores
from ganvas.style.losses import Moments
from ganvas.style.objective import scaled

SIZE, SMALLEST = 512, 32
SAME_SHAPE = 0.02  # how far the proportions of a painting may be from its photograph's
PHOTOGRAPH, STYLE = "the photograph itself", "the style itself"
SINGLE = ("content", "perceptual", "gram", "wasserstein")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Case:
    """A painting and what it should be like.

    Attributes:
        row: which row it counts in.
        name: what to call it.
        painting: the picture.
        content: its photograph.
        styles: the picture of its style, or several that it was mixed from.
    """

    row: str
    name: str
    painting: Picture
    content: Picture
    styles: tuple[Picture, ...]


@dataclass
class Row:
    """What a row of the table is worked out from.

    Attributes:
        each: scores of its pictures.
        seen: moments of these at the deepest level.
        wanted: moments of the styles they should have.
    """

    each: list[dict[str, Any]] = field(default_factory=list)
    seen: list[Moments] = field(default_factory=list)
    wanted: list[Moments] = field(default_factory=list)

    def add(
        self,
        name: str,
        laid: Sequence[scores.Seen],
        photograph: scores.Seen,
        manner: tuple[Moments, ...],
        style: tuple[Moments, ...],
    ) -> None:
        """Score a picture.

        Args:
            name: what to call it.
            laid: what is seen of it where the photograph lies; of each picture, where it is a style of several.
            photograph: what is seen of the photograph.
            manner: the picture's moments.
            style: those of the style that it should have.
        """
        kept = [fmean(score(one, photograph) for one in laid) for score in (scores.content, scores.perceptual)]
        values = [*kept, scores.gram(manner, style), scores.wasserstein(manner, style)]
        self.each.append({"name": name} | dict(zip(SINGLE, values, strict=True)))
        self.seen.append(manner[-1])
        self.wanted.append(style[-1])

    def told(self, name: str) -> dict[str, Any]:
        """The row as it is printed."""
        means = {score: fmean(one[score] for one in self.each) for score in SINGLE}
        apart = scores.frechet(self.seen, self.wanted)
        return {"name": name, "pictures": len(self.each)} | means | {"frechet": apart, "each": self.each}


def style_score(
    paintings: Picture | Sequence[Picture],
    content: Picture,
    styles: Picture | Sequence[Picture],
    *,
    size: int = SIZE,
    on_look: Progress | None = None,
) -> dict[str, Any]:
    """How near paintings are to their photograph and to their style; lower is nearer.

    Args:
        paintings: files, photos or arrays; or folders, each of which is one row where `content` is a folder too.
        content: the photograph; or a folder with a photograph of the same name for every painting.
        styles: picture or name of the style, or several that were mixed; or a folder with one of the same name for
            every painting.
        size: longest side at which pictures are compared, in pixels; less where the photograph, or a painting of it,
            is smaller.
        on_look: called with (paintings done, paintings in all).

    Returns:
        `rows`, each with `name`, `pictures`, `content`, `perceptual`, `gram`, `wasserstein`, `frechet`, and `each`, the
        scores of its pictures one by one; the first row is the photograph itself, the last the style itself.
        `network`, `network_sha256`, `size`, and `notes`, sentences on what to beware of. docs/style.md explains them.

    Raises:
        UserError: what was given, what is accepted, what to try.
    """
    if not isinstance(size, int) or size < SMALLEST:
        raise BadSetting(f"size is {size}; pictures are compared at {SMALLEST} pixels or more.")
    cases = matched(_listed(paintings), content, _listed(styles))
    rows: dict[str, Row] = {name: Row() for name in [PHOTOGRAPH, *(case.row for case in cases), STYLE]}
    resized: dict[str, str] = {}
    groups: dict[Any, list[Case]] = {}
    for case in cases:
        groups.setdefault(_key(case.content), []).append(case)
    done = count(1)

    def looked() -> None:
        if on_look:
            on_look(next(done), len(cases))

    for group in groups.values():
        resized |= _compare(group, size, rows, looked)
    told = [row.told(name) for name, row in rows.items()]
    return {
        "rows": told,
        "size": size,
        "network": scores.NETWORK,
        "network_sha256": scores.SHA256,
        "notes": [*_sizes(resized, size), *_idle(told)],
    }


def _listed(pictures: Picture | Sequence[Picture]) -> list[Picture]:
    return [pictures] if isinstance(pictures, str | Path | Photo | np.ndarray) else list(pictures)


def _name(picture: Picture, otherwise: str) -> str:
    return str(picture) if isinstance(picture, str | Path) else otherwise


def _key(picture: Picture) -> Any:
    return str(picture) if isinstance(picture, str | Path) else id(picture)


def _folder(picture: Picture) -> Path | None:
    """The folder that a name stands for, if it does."""
    path = Path(picture) if isinstance(picture, str | Path) else None
    return path if path is not None and path.is_dir() else None


def matched(paintings: Sequence[Picture], content: Picture, styles: Sequence[Picture]) -> list[Case]:
    """Every painting with its photograph and its style.

    Raises:
        BadSetting: when one has no partner or several, or rows that should be compared show different photographs.
    """
    if not paintings or not styles:
        raise BadSetting(f"no {'style' if paintings else 'painting'} was given; name one picture or more.")
    photographs = _folder(content)
    manners = _folder(gallery.find(styles[0]) if isinstance(styles[0], str | Path) else styles[0])
    if manners is not None and len(styles) > 1:
        raise BadSetting(f"{manners} is a folder, with a style for every painting; it takes no other style beside it.")
    cases = []
    for number, painting in enumerate(paintings, 1):
        folder = _folder(painting)
        for picture in [painting] if folder is None else pictures_in(folder):
            name = _name(picture, f"painting {number}")
            row = str(painting) if folder is not None and photographs is not None else name
            photograph = content if photographs is None else partner(name, photographs, "photograph")
            own = tuple(styles) if manners is None else (partner(name, manners, "style"),)
            cases.append(Case(row, name, picture, photograph, own))
    _check_rows(cases)
    return cases


def partner(name: str, folder: Path, kind: str) -> Path:
    """The picture in a folder that has the same name as a painting; the suffix may differ.

    Raises:
        BadSetting: when there is none, or more than one.
    """
    alike = [path for path in pictures_in(folder) if path.stem == Path(name).stem]
    if not alike:
        raise BadSetting(f"{folder} holds no {kind} of {name}: no picture in it is called {Path(name).stem!r}.")
    if len(alike) > 1:
        raise BadSetting(f"{folder} holds {' and '.join(path.name for path in alike)}; which is the {kind} of {name}?")
    return alike[0]


def _check_rows(cases: Sequence[Case]) -> None:
    """Means over different photographs cannot be compared."""
    shown: dict[str, list[str]] = {}
    for case in cases:
        shown.setdefault(case.row, []).append(str(_key(case.content)))
    first, *others = shown
    for row in others if len(cases) > len(shown) else ():  # where no row has more than one picture nothing is averaged
        odd = sorted(set(shown[first]) ^ set(shown[row]))
        if odd:
            lacks = row if odd[0] in shown[first] else first
            raise BadSetting(
                f"{first} and {row} cannot be compared: {lacks} has no painting of {Path(odd[0]).name}"
                f"{f' and {len(odd) - 1} more differ' if len(odd) > 1 else ''}; score the same photographs in both."
            )


def _compare(group: Sequence[Case], size: int, rows: dict[str, Row], looked: Callable[[], None]) -> dict[str, str]:
    """Score all paintings of one photograph, telling after each; returns the size that each resized picture had."""
    photo = opened(group[0].content)
    name = _name(group[0].content, PHOTOGRAPH)
    sizes = {name: (photo.height, photo.width)} | {case.name: _size(case, photo) for case in group}
    longest = min(size, *(max(one) for one in sizes.values()))
    height, width = scaled(photo.height, photo.width, longest / max(photo.height, photo.width))
    photograph = scores.look(_in_size(photo, height, width))
    manners: dict[tuple[Any, ...], tuple[Moments, ...]] = {}
    for case in group:
        key = tuple(_key(style) for style in case.styles)
        if key not in manners:
            styles = [opened_style(style) for style in case.styles]
            manners[key] = scores.mixed([scores.look(_as_large(style, longest)).moments for style in styles])
            cut = [scores.look(_in_size(_cut(style, height / width), height, width)) for style in styles]
            rows[PHOTOGRAPH].add(name, [photograph], photograph, photograph.moments, manners[key])
            rows[STYLE].add(STYLE, cut, photograph, manners[key], manners[key])
        seen = scores.look(_in_size(opened(case.painting), height, width))
        rows[case.row].add(case.name, [seen], photograph, seen.moments, manners[key])
        looked()
    return {name: f"{one[1]}x{one[0]}" for name, one in sizes.items() if one != (height, width)}


def _size(case: Case, photo: Photo) -> tuple[int, int]:
    """Height and width of a painting, checked to have the proportions of its photograph."""
    painting = opened(case.painting)
    height = photo.height * painting.width / photo.width
    if abs(painting.height - height) > max(2, SAME_SHAPE * height):
        raise UserError(
            f"{case.name} is {painting.width}x{painting.height} and its photograph {photo.width}x{photo.height}: "
            "they have other proportions; cut the photograph as the painting was cut."
        )
    return painting.height, painting.width


def _in_size(photo: Photo, height: int, width: int) -> Tensor:
    """A picture [1, 3, height, width] as a network may see it."""
    if not np.isfinite(photo.pixels).all():
        raise UserError("a picture has pixels that are not finite, so there is no score.")
    return as_tensor(photo.resized(height, width).seen())


def _as_large(style: Photo, longest: int) -> Tensor:
    """A style's picture as large as what is painted in it; never enlarged."""
    share = min(1.0, longest / max(style.height, style.width))
    return _in_size(style, *scaled(style.height, style.width, share))


def _cut(style: Photo, shape: float) -> Photo:
    """The middle of a picture, cut to a shape: height over width."""
    height = max(1, min(style.height, round(style.width * shape)))
    width = max(1, min(style.width, round(style.height / shape)))
    top, left = (style.height - height) // 2, (style.width - width) // 2
    return Photo(style.seen()[top : top + height, left : left + width])


def _sizes(resized: dict[str, str], size: int) -> list[str]:
    if not resized:
        return []
    some = ", ".join(f"{name} was {was}" for name, was in list(resized.items())[:3])
    more = f", and {len(resized) - 3} more" if len(resized) > 3 else ""
    return [
        f"pictures of different sizes are compared at the smallest of them, and at most {size} pixels a side; "
        f"resized: {some}{more}."
    ]


def _idle(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence on every row that is no nearer to the style than a photograph that nobody painted."""
    nothing = rows[0]
    return [
        f"{row['name']} is no nearer to the style than the photograph itself."
        for row in rows[1:-1]
        if row["gram"] >= nothing["gram"] and row["wasserstein"] >= nothing["wasserstein"]
    ]
