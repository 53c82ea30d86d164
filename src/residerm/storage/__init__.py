"""Containers of files (folders, zips read in place, npz files), and the tree of all files under a path."""
