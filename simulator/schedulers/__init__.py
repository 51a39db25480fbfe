"""Who goes next: one small file a scheduler, each with its paper and its deviations."""
