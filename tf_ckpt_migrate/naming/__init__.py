"""Identities: every name that a tensor goes by, on either side of a migration."""
