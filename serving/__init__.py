"""The scoring API: batching, durable decisions and reload of the bundle in service. No review pages and no training."""
