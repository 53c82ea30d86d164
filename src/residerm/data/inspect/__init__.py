"""Look at an archive: everything that is wrong with it, the same image under two ids, everything counted."""
