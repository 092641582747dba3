"""Executors, lanes and batches for awaited calls."""
