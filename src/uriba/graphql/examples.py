"""Example queries that GraphiQL opens with."""

EXAMPLES = """# Uriba: shared carts, orders and stock for app, web shop and stores.
# Every query runs as it stands on the demo's goods. Headers (below) take a key: {"Authorization": "Bearer KEY"}

query Browse {
  products(channel: "app", first: 5) {
    edges {
      node {
        name
        brand
        variants {
          sku
          price { amount currency }
          availability { status quantity pickup(first: 3) { location { name } quantity } }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}

query Find {
  products(channel: "app", search: "banana", first: 3) {
    edges { node { name variants { sku barcode price { amount } } } }
  }
}

# Whoever holds a guest's cart id may use that cart, on any device.
mutation BeginCart {
  cartCreate(input: { channel: "app", lines: [{ sku: "CJ-1082185", quantity: 2 }] }) {
    cart { id version total { amount currency } lines { variant { name } quantity unitPrice { amount } } }
    errors { code message path }
  }
}

# Runs until you stop it; sell the same goods in another tab and watch.
subscription Watch {
  availabilityChanged(channel: "app", skus: ["CJ-1082185", "CJ-981760"]) {
    sku
    availability { status quantity }
  }
}

# With a terminal's, app's or staff key.
query Why {
  stockLevels(skus: ["CJ-1082185"], first: 3) {
    edges {
      node {
        location { name }
        onHand committed reserved available shortage
        movements(first: 5) { edges { node { reason onHandDelta committedDelta reference recordedAt } } }
      }
    }
  }
}
"""
