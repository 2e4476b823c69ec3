"""The vocabulary that every domain speaks; no input or output here."""
