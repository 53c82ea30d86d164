"""From a downloaded archive to batches: tree → records → split and sample → cache → batches."""
