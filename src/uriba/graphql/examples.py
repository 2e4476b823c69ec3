"""Example queries that GraphiQL opens with."""

EXAMPLES = """# Uriba: shared carts, orders and stock for app, web shop and stores.
# All examples run on the data of the demo. Set a key in the headers below: {"Authorization": "Bearer KEY"}

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

# The id of a guest's cart is a secret: every device that has it may use the cart.
mutation BeginCart {
  cartCreate(input: { channel: "app", lines: [{ sku: "CJ-1082185", quantity: 2 }] }) {
    cart { id version total { amount currency } lines { variant { name } quantity unitPrice { amount } } }
    errors { code message path }
  }
}

# Runs until you stop it. Sell the same items in another tab, and the new availability appears here.
subscription Watch {
  availabilityChanged(channel: "app", skus: ["CJ-1082185", "CJ-981760"]) {
    sku
    availability { status quantity }
  }
}

# This needs the key of a terminal, an app or staff.
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
