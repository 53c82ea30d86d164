"""What holds files: a folder, a zip read in place, an npz; and the tree of every file under a path."""
