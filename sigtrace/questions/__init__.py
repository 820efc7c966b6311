"""Questions to sessions: frames in, frames out."""
