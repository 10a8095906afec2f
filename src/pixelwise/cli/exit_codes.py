"""Exit codes of the command `pixelwise`."""

DONE = 0
SOME_FAILED = 1
"""Some images failed, or the data have errors; everything else was done."""

WRONG_INPUT = 2
INTERRUPTED = 130
"""128 + the number of SIGINT, as shells report a process that Ctrl-C ended."""

MEANINGS = "exit codes: 0 done, 1 some images failed or the data have errors, 2 wrong input, 130 interrupted (Ctrl-C)"
