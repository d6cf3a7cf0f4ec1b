"""Neural style transfer: statistics of features that say what a picture is painted like, and ways to paint so."""
