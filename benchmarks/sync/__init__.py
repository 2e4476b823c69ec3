"""`python -m benchmarks.sync`: latency and throughput of webhooks and subscriptions."""
