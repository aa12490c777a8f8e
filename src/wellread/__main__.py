"""`python -m wellread` is `wellread`."""

from wellread.cli import main

raise SystemExit(main())
