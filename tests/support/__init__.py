"""What several tests use: clients, shops, calls of the API, fakes of ports, proxies, and waits for effects."""
