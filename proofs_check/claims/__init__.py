"""The claims, one file per theorem."""
