"""Bulk exports of products, prices, stock and orders as CSV and Parquet."""
