"""The flight recorder's record: segments that come and go, in a folder of which only the latest is kept."""
