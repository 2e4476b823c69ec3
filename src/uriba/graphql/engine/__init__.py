"""The GraphQL engine: endpoint, execution, limits and subscriptions. It imports no domain and no type of the API."""
