"""Commands of the command line, one file for those that belong together; cli.py lists them."""
