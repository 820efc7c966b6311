"""A small scene, recorded as it plays and explained."""
