"""Code that several tests share: clients, shops, calls of the API, fakes of ports, proxies, and waits for effects."""
