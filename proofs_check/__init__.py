"""What is claimed about loss of plasticity, and by which right."""
