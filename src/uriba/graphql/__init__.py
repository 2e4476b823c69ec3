"""The GraphQL API: types and resolvers that translate between requests and the domains."""
