"""What a user names in Python for style transfer: `stylize`, files and settings in, a painting out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas import config as settings_of
from ganvas import gallery, photos
from ganvas.errors import BadSetting
from ganvas.film import Before
from ganvas.photos import Photo
from ganvas.style import allocator, colour, optimise
from ganvas.style.config import StyleConfig
from ganvas.style.events import Painted, Preview, StyleEvent
from ganvas.style.network import backbone
from ganvas.style.objective import Anchor, Source

Picture = str | Path | Photo | np.ndarray


@dataclass
class Stylization:
    """A painting to be made: iterate over its events, or `run()` it to its end.

    Attributes:
        content: the photograph.
        styles: one picture or several.
        style_weights: of the styles, beside each other.
        masks: for each style the part of the painting that gets it, a picture whose white counts; None for all of it.
        config: the settings.
        out: file to write at the end, or when asked to stop; beside it lie a preview and, until it is done, what is
            needed to go on after a kill.
        before: of a frame in a sequence, what it goes on from.
        begun: a painting to go on with, at the painting's own size alone; `scales.steps` steps.
        photo: the painting in the photograph's frame, once it is there.
        notes: what the file's format could not hold.
    """

    content: Picture
    styles: Sequence[Picture]
    style_weights: Sequence[float]
    masks: Sequence[Picture | None]
    config: StyleConfig
    out: Path | None = None
    before: Before | None = None
    begun: Picture | None = None
    photo: Photo | None = field(default=None, init=False)
    notes: list[str] = field(default_factory=list, init=False)
    _stop: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Ask for the best so far to be the result, after the current step."""
        self._stop = True

    def run(self) -> Photo:
        """Paint to the end."""
        for _ in self:
            pass
        assert self.photo is not None
        return self.photo

    def __iter__(self) -> Iterator[StyleEvent]:
        """Events to the end; the file is written before the last."""
        self._stop = False
        if self.out is not None:
            photos.check_output(self.out)
        photo = opened(self.content)
        photo = photo.resized(*optimise.sizes(self.config, photo.height, photo.width)[-1])
        preview = None if self.out is None else self.out.with_name(f"{self.out.stem}.preview.jpg")
        try:
            for event in self._paint(photo):
                if isinstance(event, Preview) and preview is not None:
                    photos.write(preview, Photo(event.picture.clip(0, 1)))
                if isinstance(event, Painted):
                    self._finish(photo, event)
                yield event
        finally:
            if preview is not None:
                preview.unlink(missing_ok=True)

    def _paint(self, photo: Photo) -> Iterator[StyleEvent]:
        config = self.config
        if config.strength == 0:
            yield Painted(step=0, picture=photo.pixels, complete=True, reason="strength is 0", losses={}, seconds=0.0)
            return
        allocator.ask_for_large_pages()
        network = backbone(config.backbone, padding=config.padding, pooling=config.pooling, precision=config.precision)
        content = as_tensor(photo.seen())
        sources = []
        for style, weight, mask in zip(self.styles, self.style_weights, self.masks, strict=True):
            sources.append(self._source(opened_style(style), weight, mask, content))
        start = None if config.start in ("content", "noise") else as_tensor(opened(config.start).seen())
        anchor = None
        if self.begun is not None:
            start = as_tensor(opened(self.begun).seen())
        if self.before is not None:
            start = as_tensor(self.before.laid_on(photo.seen(), self.before.believed))
            anchor = Anchor(as_tensor(self.before.picture), torch.from_numpy(self.before.believed)[None, None])
        if self.begun is not None or self.before is not None:  # coarse scales have been painted already
            config = config.but(
                scales={"smallest": max(8, *content.shape[2:]), "first_steps": config.scales.steps}, start="content"
            )
        job = optimise.Job(config, content, sources, start, anchor)
        keep = None if self.out is None else self.out.with_name(f".{self.out.name}.unfinished")
        yield from optimise.paint(job, network, keep=keep, should_stop=lambda: self._stop)
        allocator.keep_no_spare()

    def _source(self, style: Photo, weight: float, mask: Picture | None, content: Tensor) -> Source:
        picture = as_tensor(style.seen())
        if self.config.colour == "matched":
            picture = colour.match_colours(picture, content)
        shown = None if style.alpha is None else torch.from_numpy(style.alpha)[None, None]
        where = None if mask is None else colour.luminance(as_tensor(opened(mask).seen()))
        return Source(picture, weight, shown, where)

    def _finish(self, photo: Photo, event: Painted) -> None:
        """The painting in the photograph's frame, written if it has a file."""
        picture = event.picture
        if self.config.colour == "luminance" and self.config.strength:
            kept = colour.keep_colours(as_tensor(picture), as_tensor(photo.seen()))
            picture = optimise.as_array(kept)
        self.photo = photo if self.config.strength == 0 else photo.painted(picture)
        if self.out is not None:
            self.notes = photos.write(self.out, self.photo)


def stylize(
    content: Picture,
    styles: Picture | Sequence[Picture],
    out: str | Path | None = None,
    *,
    style_weights: Sequence[float] | None = None,
    masks: Sequence[Picture | None] | None = None,
    settings: Mapping[str, Any] | None = None,
    **everyday: Any,
) -> Stylization:
    """A photograph painted in the manner of one picture or several: iterate over the events, or call `.run()`.

    Args:
        content: a file, a `Photo`, or an array [H, W, 3], uint8 or float in [0, 1].
        styles: one such, the name of a carried style (see gallery.py), or several.
        out: the file to write.
        style_weights: of the styles, beside each other; all alike by default.
        masks: for each style a picture whose white marks the part of the painting that gets it; None for all of it.
        settings: any setting by dotted name, such as {"weights.smoothness": 1}.
        everyday: settings without a dot: size, strength, loss, start, colour, minutes, seed, style_scale.

    Raises:
        UserError: what was given, what is accepted, what to try.
    """
    chosen = [styles] if isinstance(styles, str | Path | Photo | np.ndarray) else list(styles)
    if not chosen:
        raise BadSetting("no style was given; name one picture or more.")
    weights = [1.0] * len(chosen) if style_weights is None else list(style_weights)
    parts = [None] * len(chosen) if masks is None else list(masks)
    for name, given in (("style weights", weights), ("masks", parts)):
        if len(given) != len(chosen):
            raise BadSetting(f"{len(given)} {name} for {len(chosen)} styles; give one for each, in their order.")
    if min(weights) < 0 or not max(weights) > 0:
        raise BadSetting(f"style weights are at least 0 and not all 0; got {', '.join(f'{w:g}' for w in weights)}.")
    config: StyleConfig = settings_of.changed(StyleConfig(), dict(everyday) | dict(settings or {}))
    return Stylization(content, chosen, weights, parts, config, None if out is None else Path(out))


def opened(picture: Picture) -> Photo:
    """A picture as a `Photo`.

    Raises:
        UserError: for a file that cannot be read.
        BadSetting: for an array of another shape.
    """
    if isinstance(picture, Photo):
        return picture
    if isinstance(picture, str | Path):
        return photos.read(picture)
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise BadSetting(f"a picture is an array [H, W, 3]; got {list(picture.shape)}.")
    values = picture.astype(np.float32)
    return Photo(values / 255 if picture.dtype == np.uint8 else values)


def opened_style(style: Picture) -> Photo:
    """A style's picture as a `Photo`: a file or the name of a carried style, a photo or an array.

    Raises:
        UserError: for a file that cannot be read, a name that is unknown, or an array of another shape.
    """
    return opened(gallery.find(style) if isinstance(style, str | Path) else style)


def as_tensor(pixels: np.ndarray) -> Tensor:
    """Float [H, W, 3] as float32 [1, 3, H, W]."""
    return torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None]


def outputs(contents: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """(photograph, painting) of one file, of several, or of every picture in folders.

    Raises:
        BadSetting: when several photographs should become one file, or a folder holds none.
    """
    if len(contents) == 1 and not contents[0].is_dir():
        return [(contents[0], out)]
    if out.suffix.lower() in photos.FORMATS:
        what = f"{contents[0]} is a folder" if len(contents) == 1 else f"there are {len(contents)} photographs"
        raise BadSetting(f"{what}, so --out must be a folder; got {out}.")
    found = [path for content in contents for path in pictures_in(content)]
    return [(path, out / path.name) for path in found]


def pictures_in(path: Path) -> list[Path]:
    """The file that is named, or every picture in the folder that is.

    Raises:
        BadSetting: for a folder that holds none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in photos.FORMATS)
    if not found:
        raise BadSetting(f"{path} holds no picture ({', '.join(photos.FORMATS)}).")
    return found
