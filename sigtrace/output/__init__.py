"""Answers as sentences, text, HTML, Markdown, JSON and pictures."""
