"""`python -m ganvas`, as used under torchrun."""

import sys

from ganvas.cli import main

if __name__ == "__main__":
    sys.exit(main())
