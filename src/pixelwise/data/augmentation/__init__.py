"""Random crops, flips, warps and colour changes for training."""
