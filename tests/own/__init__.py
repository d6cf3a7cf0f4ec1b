"""Architectures from outside the package, as a user would bring them."""
