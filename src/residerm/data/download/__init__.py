"""Download public archives: the catalogue, the transfer of a file, and the download of an archive."""
