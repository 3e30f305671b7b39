"""What a machine can take: measured, computed, checked and simulated. scripts/capacity runs it."""
