"""`python -m pixelwise` is the command `pixelwise`."""

from .cli import main

raise SystemExit(main())
