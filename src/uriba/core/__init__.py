"""Vocabulary that every domain uses: actors, money, ids, errors. No input or output."""
