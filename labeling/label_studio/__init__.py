"""Label Studio's files: cases and reviews as its tasks, and its annotations as labels. It never speaks to a server."""
