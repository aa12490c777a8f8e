"""Files become documents: `media` tells what a file is, one module per format reads it, `pool` does so in children that may die."""
