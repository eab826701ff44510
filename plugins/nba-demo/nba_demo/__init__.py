"""The demo of nba-engine: a year of grocery shopping replayed through a real server."""
