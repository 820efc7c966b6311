"""Scenes: a module for each kind of death, a public function for each way to die."""
