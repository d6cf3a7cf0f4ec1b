"""`ganvas sample`: draw from a trained run."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from ganvas.errors import BadSetting, UserError


@dataclass
class Sample:
    """Draw samples of a trained run: a sheet, an array, or one picture each."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path
    """FILE.png for a sheet, FILE.npz for an array (`images` or `points`), or a folder for one picture each."""
    count: int = 64
    """How many."""
    seed: int = 0
    """Sample k of a seed is always the same."""
    label: str | None = None
    """Draw this label alone; for runs trained with data.labels=true."""
    truncation: float | None = None
    """Keep latents within +- this: 2 trims the rarest samples, 0.5 keeps the typical."""
    checkpoint: str | None = None
    """Position of the checkpoint in images, or best; by default the newest."""

    def __call__(self) -> int:
        """Sample and write."""
        import numpy as np

        from ganvas import api, images, plots
        from ganvas.data.toy import square_around

        if self.out.suffix not in ("", ".png", ".npz"):
            raise BadSetting(f"--out is {self.out}; it takes FILE.png, FILE.npz, or a folder.")
        trained = api.load(self.run, checkpoint_at=checkpoint_named(self.checkpoint))
        made = trained.sample(self.count, seed=self.seed, truncation=self.truncation, label=self.label)
        pictures = made.ndim == 4
        try:
            if self.out.suffix == ".npz":
                buffer = io.BytesIO()
                named: dict[str, Any] = {"images" if pictures else "points": made}
                np.savez_compressed(buffer, **named)
                images.write_bytes(self.out, buffer.getvalue())
            elif self.out.suffix == ".png":
                images.write_png(
                    self.out,
                    images.grid(made) if pictures else plots.points_picture(made, extent=square_around(made)),
                )
            elif not pictures:
                raise BadSetting(f"{self.run} makes points, not pictures; --out takes FILE.png or FILE.npz for it.")
            else:
                for index, image in enumerate(made):
                    images.write_png(self.out / f"{index:06d}.png", image)
        except OSError as error:
            raise UserError(f"{self.out} cannot be written: {error.strerror}.") from None
        print(f"{self.count} samples at {trained.position:,} images: {self.out}")
        return 0


def checkpoint_named(text: str | None) -> int | Literal["best"] | None:
    """What --checkpoint says."""
    if text is None or text == "best":
        return text  # type: ignore[return-value]
    if not text.replace(",", "").replace("_", "").isdigit():
        raise BadSetting(f"--checkpoint takes a position in images, or best; got {text!r}.")
    return int(text.replace(",", ""))
