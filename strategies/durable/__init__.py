"""What the remedies have in common: names of checkpoints, files that survive power loss, manifests."""
