"""From an archive as downloaded to batches: tree → records → split and sample → cache → batches."""
