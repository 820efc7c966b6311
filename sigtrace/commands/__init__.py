"""What the commands of sigtrace do."""
