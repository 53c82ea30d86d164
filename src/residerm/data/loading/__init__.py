"""From records to batches: decode once into a mapped cache, augment whole batches on the device, preview."""
