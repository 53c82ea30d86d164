"""From records to batches: a memory-mapped cache of decoded images, augmentation of batches on the device, preview."""
