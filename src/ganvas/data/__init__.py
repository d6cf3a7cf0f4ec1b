"""From what the user named to samples in memory: reading, checking, caching, ordering."""
