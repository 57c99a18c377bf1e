"""Any checkpoint on disk: found, read, described, compared and verified."""
