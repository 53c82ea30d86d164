"""What can be downloaded, one file over HTTP, a whole archive."""
