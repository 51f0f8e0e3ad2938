"""The routes of each floor as typed methods."""
