"""Bulk exports: products, stock and orders as CSV and Parquet."""
