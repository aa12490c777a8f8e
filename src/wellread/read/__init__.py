"""Files become documents here: `media` tells what a file is, one file per format reads it, `pool` does it in children that may die."""
