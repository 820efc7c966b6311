"""The flight recorder as a service of a real systemd, in a virtual machine, over a restart."""
