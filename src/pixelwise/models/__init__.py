"""One paper, one file; `MODELS` names them."""
