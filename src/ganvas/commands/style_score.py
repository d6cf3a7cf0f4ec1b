"""`ganvas style-score`: how near paintings are to their photographs and to their styles."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ganvas.tables import print_table


@dataclass
class StyleScore:
    """Score paintings: how much of the photograph is left, how much of the style is there; lower is nearer."""

    paintings: tyro.conf.Positional[tuple[Path, ...]]
    """Paintings, or folders of them: one of each tool or setting that is compared."""
    content: Annotated[Path, tyro.conf.arg(metavar="PHOTO")]
    """Their photograph, or a folder with one of the same name for every painting; then a folder is one row."""
    style: Annotated[list[Path], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PICTURE")] = field(
        default_factory=list
    )
    """Their style, a picture file or a name of `ganvas styles`; again for each that is mixed in. Or a folder with one
    of the same name for every painting."""
    size: int = 512
    """Longest side in pixels at which pictures are compared; never more than the smallest of them has."""
    json: bool = False
    """Print one JSON object, with the scores of every single painting."""

    def __call__(self) -> int:
        """Print the scores."""
        from ganvas import judge
        from ganvas.display import Display

        with Display(self.content) as display:
            found = judge.style_score(self.paintings, self.content, self.style, size=self.size, on_look=display.looking)
        if self.json:
            print(json.dumps(found))
            return 0
        columns = [*judge.SINGLE, "frechet"]
        rows = [[row["name"], *(f"{round(row[column], 6):.3g}" for column in columns)] for row in found["rows"]]
        print_table(["painting", *columns], rows)
        print("lower is nearer: content and perceptual to the photograph, the others to the style")
        print(f"seen by {found['network']}, SHA-256 {found['network_sha256'][:12]}...")
        for note in found["notes"]:
            print(f"note: {note}")
        return 0
