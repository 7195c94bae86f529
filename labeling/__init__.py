"""The review queue, the console and label export. It never scores a listing."""
