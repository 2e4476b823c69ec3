"""Replaying the sales of The Complete Journey through `posSync`, and comparing the hub with the source."""
